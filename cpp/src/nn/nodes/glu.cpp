// Gated linear unit: each row's first half a, times the sigmoid of its second half b. The gradients
// are dy sigmoid(b) and dy a sigmoid'(b).
#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "ops/activation.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

constexpr ActivationSpec gate = {Activation::sigmoid, {}};

template <class T>
class Glu final : public Kind<Glu<T>, T> {
 public:
  static constexpr const char* kind_name = "glu";

  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape shape = inputs[0];
    if (shape.cols % 2 != 0) {
      throw ValueError("a gated linear unit halves rows, but they have " +
                       std::to_string(shape.cols) + " values");
    }
    return {shape.rows, shape.cols / 2};
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;
};

template <class T>
void Glu<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  builder.step("glu", 0.6 * static_cast<double>(rows * cols), {x, y},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const runtime::Range part = team.share(rows);
                 for (Index i = part.begin; i < part.end; ++i) {
                   const T* a = context.at(x) + 2 * i * cols;
                   T* const to = context.at(y) + i * cols;
                   ops::activation<T>(runtime::Team(), gate, a + cols, to, cols);
                   runtime::kernels<T>().vector->multiply(a, to, to, cols);
                 }
               });
}

template <class T>
void Glu<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(source), dy = builder.gradient(group.result);
  const BufferId dx = builder.begin_gradient(source);
  builder.step("glu gradient", 1.2 * static_cast<double>(rows * cols), {x, dy, dx},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const runtime::Range part = team.share(rows);
                 for (Index i = part.begin; i < part.end; ++i) {
                   const T *a = context.at(x) + 2 * i * cols, *b = a + cols;
                   const T* up = context.at(dy) + i * cols;
                   T *da = context.at(dx) + 2 * i * cols, *db = da + cols;
                   ops::activation<T>(runtime::Team(), gate, b, da, cols);
                   runtime::kernels<T>().vector->multiply(up, da, da, cols);
                   runtime::kernels<T>().vector->multiply(up, a, db, cols);
                   ops::activation_gradient_at_input<T>(runtime::Team(), gate, b, db, db, cols);
                 }
               });
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(glu, Glu);

}  // namespace nn

template <class T>
NodeId Graph<T>::glu(NodeId x) {
  return append(std::make_shared<nn::Glu<T>>(), {x});
}
template NodeId Graph<float>::glu(NodeId);
template NodeId Graph<double>::glu(NodeId);

}  // namespace unitgain
