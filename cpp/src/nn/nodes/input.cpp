// The inputs of a network.
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Input final : public Kind<Input<T>, T> {
 public:
  static constexpr const char* kind_name = "input";

  Input() = default;
  explicit Input(SampleShape shape) : shape_(shape) {}

  Content<T> content() override { return {{}, {{"rows", &shape_.rows}, {"cols", &shape_.cols}}}; }
  Arity arity() const override { return Arity::none; }
  SampleShape bind(std::span<const SampleShape>) override {
    if (shape_.rows < 1 || shape_.cols < 1) {
      throw ValueError("an input needs at least one feature");
    }
    return shape_;
  }

  Role role() const override { return Role::input; }

 private:
  SampleShape shape_{};
};

}  // namespace

UNITGAIN_NODE_KIND(input, Input);

}  // namespace nn

template <class T>
NodeId Graph<T>::input(SampleShape shape) {
  return append(std::make_shared<nn::Input<T>>(shape), {});
}
template NodeId Graph<float>::input(SampleShape);
template NodeId Graph<double>::input(SampleShape);

}  // namespace unitgain
