// The sum of the inputs, with the activation behind it in the same step.
#include <algorithm>

#include "base/shape_text.hpp"
#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "ops/activation.hpp"
#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Add final : public Kind<Add<T>, T> {
 public:
  static constexpr const char* kind_name = "add";

  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape first = inputs[0];
    for (const SampleShape shape : inputs) {
      if (shape.rows == first.rows && shape.cols == first.cols) continue;
      throw ValueError("the inputs of a sum have samples of shapes " +
                       base::shape_text({first.rows, first.cols}) + " and " +
                       base::shape_text({shape.rows, shape.cols}));
    }
    return first;
  }

  bool takes(const Epilogue<T>& epilogue) const override {
    return std::holds_alternative<ActivationSpec>(epilogue);
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;
};

// Values that are summed up, and activated, while they are in the first cache.
constexpr Index chunk = 2048;

template <class T>
void add_chunk(const Context<T>& context, const std::vector<BufferId>& inputs, Index first, Index n,
               T* sum) {
  const auto add = runtime::kernels<T>().vector->add;
  const T* so_far = context.at(inputs[0]) + first;
  if (inputs.size() == 1) std::copy_n(so_far, n, sum);
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    add(so_far, context.at(inputs[i]) + first, sum, n);
    so_far = sum;
  }
}

template <class T>
void Add<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  std::vector<BufferId> inputs;
  for (const NodeId source : group.inputs) inputs.push_back(builder.value(source));
  const BufferId y = builder.value(group.result);
  const bool keep_input =
      differentiates(builder.mode()) && activation_info(group.activation.kind).saves_input;
  const BufferId z = keep_input ? builder.saved(group).buffer : y;
  std::vector<BufferId> uses = inputs;
  uses.insert(uses.end(), {y, z});
  const Index n = builder.values(group.result);
  builder.step(
      "add", 0.2 * static_cast<double>(n) * static_cast<double>(inputs.size()), std::move(uses),
      [=, activation = group.activation](const runtime::Team& team, const Context<T>& context) {
        const runtime::Range part = team.share(n, ops::element_grain);
        for (Index first = part.begin; first < part.end; first += chunk) {
          const Index count = std::min(chunk, part.end - first);
          add_chunk(context, inputs, first, count, context.at(z) + first);
          if (activation.kind == Activation::linear) continue;
          ops::activation<T>(runtime::Team(), activation, context.at(z) + first,
                             context.at(y) + first, count);
        }
      });
}

// Every input's gradient is the sum's, which nobody copies.
template <class T>
void Add<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index cols = builder.node(group.result).shape.cols;
  const View dy = builder.gradient_matrix(group.result, cols);
  for (const NodeId source : group.inputs) {
    if (builder.wants_gradient(source)) builder.add_gradient(source, dy, false);
  }
}

}  // namespace

UNITGAIN_NODE_KIND(add, Add);

}  // namespace nn

template <class T>
NodeId Graph<T>::add(const std::vector<NodeId>& inputs) {
  return append(std::make_shared<nn::Add<T>>(), inputs);
}
template NodeId Graph<float>::add(const std::vector<NodeId>&);
template NodeId Graph<double>::add(const std::vector<NodeId>&);

}  // namespace unitgain
