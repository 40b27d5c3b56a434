// The same values as a sample of another shape.
#include "base/shape_text.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Reshape final : public Kind<Reshape<T>, T> {
 public:
  static constexpr const char* kind_name = "reshape";

  Reshape() = default;
  explicit Reshape(SampleShape shape) : shape_(shape) {}

  Content<T> content() override { return {{}, {{"rows", &shape_.rows}, {"cols", &shape_.cols}}}; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const Index size = inputs[0].size();
    // Sizes that divide cannot overflow.
    if (shape_.rows < 1 || shape_.cols < 1 || size % shape_.rows != 0 ||
        size / shape_.rows != shape_.cols) {
      throw ValueError("a sample of " + std::to_string(size) + " values cannot be reshaped to " +
                       base::shape_text({shape_.rows, shape_.cols}));
    }
    return shape_;
  }

  Role role() const override { return Role::reshape; }
  bool is_identity(Mode, Training) const override { return true; }

 private:
  SampleShape shape_{};
};

}  // namespace

UNITGAIN_NODE_KIND(reshape, Reshape);

}  // namespace nn

template <class T>
NodeId Graph<T>::reshape(NodeId x, SampleShape shape) {
  return append(std::make_shared<nn::Reshape<T>>(shape), {x});
}
template NodeId Graph<float>::reshape(NodeId, SampleShape);
template NodeId Graph<double>::reshape(NodeId, SampleShape);

}  // namespace unitgain
