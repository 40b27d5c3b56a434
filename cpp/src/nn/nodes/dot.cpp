// The products of the rows of two inputs, sample by sample: Z = X Y^T. The gradients are dX = dZ Y
// and dY = dZ^T X.
#include <algorithm>

#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Dot final : public Kind<Dot<T>, T> {
 public:
  static constexpr const char* kind_name = "dot";

  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    if (inputs.size() != 2 || inputs[0].cols != inputs[1].cols) {
      throw ValueError("a dot product takes two inputs with as many columns");
    }
    depth_ = inputs[0].cols;
    return {inputs[0].rows, inputs[1].rows};
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  Index depth_ = 0;
};

// A matrix of a sample, or its transpose.
struct Operand {
  BufferId buffer;
  Index rows, cols;
  bool transposed = false;
};

template <class T>
MatrixView<const T> sample_of(const Context<T>& context, const Operand& matrix, Index i) {
  const T* data = context.at(matrix.buffer) + i * matrix.rows * matrix.cols;
  if (matrix.transposed) return {data, matrix.cols, matrix.rows, 1, matrix.cols};
  return {data, matrix.rows, matrix.cols, matrix.cols, 1};
}

// C = A B for each sample, which one thread computes, whatever the team.
template <class T>
void product_step(PlanBuilder<T>& builder, const char* name, const Operand& a, const Operand& b,
                  BufferId c) {
  const Index batch = builder.batch();
  const Index m = a.transposed ? a.cols : a.rows, k = a.transposed ? a.rows : a.cols;
  const Index n = b.transposed ? b.rows : b.cols;
  const Precision precision = builder.precision();
  const double work = static_cast<double>(batch) * (20 + ops::gemm_work(m, n, k));
  if (m == 1 && n == 1) {
    builder.step(name, work, {a.buffer, b.buffer, c},
                 [=](const runtime::Team& team, const Context<T>& context) {
                   const runtime::Range part = team.share(batch);
                   for (Index i = part.begin; i < part.end; ++i) {
                     context.at(c)[i] = runtime::kernels<T>().vector->dot(
                         context.at(a.buffer) + i * k, context.at(b.buffer) + i * k, k);
                   }
                 });
    return;
  }
  constexpr Index line = 64;
  const Index bytes = (ops::gemm_workspace<T>(m, n, k, 1, precision) + line - 1) / line * line;
  const BufferId workspace = builder.workspace(bytes * builder.threads());
  builder.step(name, work, {a.buffer, b.buffer, c, workspace},
               [=](const runtime::Team& team, const Context<T>& context) {
                 std::byte* own = context.template at<std::byte>(workspace) + team.rank() * bytes;
                 const runtime::Range part = team.share(batch);
                 for (Index i = part.begin; i < part.end; ++i) {
                   ops::Gemm<T> product{sample_of<T>(context, a, i),
                                        sample_of<T>(context, b, i),
                                        {context.at(c) + i * m * n, m, n, n, 1}};
                   product.precision = precision;
                   ops::gemm(runtime::Team(), product, own);
                 }
               });
}

template <class T>
void Dot<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const SampleShape shape = builder.node(group.head).shape;
  product_step(builder, "dot", {builder.value(group.inputs[0]), shape.rows, depth_},
               {builder.value(group.inputs[1]), shape.cols, depth_, true},
               builder.value(group.result));
}

template <class T>
void Dot<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const SampleShape shape = builder.node(group.head).shape;
  const BufferId dz = builder.gradient(group.result);
  const Operand x = {builder.value(group.inputs[0]), shape.rows, depth_};
  const Operand y = {builder.value(group.inputs[1]), shape.cols, depth_};
  for (std::size_t i = 0; i < 2; ++i) {
    if (!builder.wants_gradient(group.inputs[i])) continue;
    const BufferId part = builder.begin_gradient(group.inputs[i]);
    product_step(builder, "dot gradient", {dz, shape.rows, shape.cols, i == 1}, i == 0 ? y : x,
                 part);
    builder.finish_gradient(group.inputs[i], part);
  }
}

}  // namespace

UNITGAIN_NODE_KIND(dot, Dot);

}  // namespace nn

template <class T>
NodeId Graph<T>::dot(const std::vector<NodeId>& inputs) {
  return append(std::make_shared<nn::Dot<T>>(), inputs);
}
template NodeId Graph<float>::dot(const std::vector<NodeId>&);
template NodeId Graph<double>::dot(const std::vector<NodeId>&);

}  // namespace unitgain
