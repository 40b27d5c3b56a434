// A sample as a stack of matrices, each of which is transposed.
#include "ops/transpose.hpp"
#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Transpose final : public Kind<Transpose<T>, T> {
 public:
  static constexpr const char* kind_name = "transpose";

  Transpose() = default;
  explicit Transpose(Index rows) : rows_(rows) {}

  Content<T> content() override { return {{}, {{"rows", &rows_}}}; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape shape = inputs[0];
    if (rows_ < 1 || shape.rows % rows_ != 0) {
      throw ValueError("a sample of " + std::to_string(shape.rows) +
                       " rows is no stack of matrices of " + std::to_string(rows_));
    }
    cols_ = shape.cols;
    return {shape.rows / rows_ * shape.cols, rows_};
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  Index rows_ = 0, cols_ = 0;  // of a matrix
};

template <class T>
void transpose_step(PlanBuilder<T>& builder, const char* name, BufferId from, BufferId to,
                    Index values, Index rows, Index cols) {
  const Index count = values / (rows * cols);
  builder.step(name, 0.5 * static_cast<double>(values), {from, to},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::transpose<T>(team, context.at(from), context.at(to), count, rows, cols);
               });
}

template <class T>
void Transpose<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  transpose_step(builder, "transpose", builder.value(group.inputs[0]), builder.value(group.result),
                 builder.values(group.result), rows_, cols_);
}

template <class T>
void Transpose<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const BufferId dx = builder.begin_gradient(source);
  transpose_step(builder, "transpose gradient", builder.gradient(group.result), dx,
                 builder.values(source), cols_, rows_);
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(transpose, Transpose);

}  // namespace nn

template <class T>
NodeId Graph<T>::transpose(NodeId x, Index rows) {
  return append(std::make_shared<nn::Transpose<T>>(rows), {x});
}
template NodeId Graph<float>::transpose(NodeId, Index);
template NodeId Graph<double>::transpose(NodeId, Index);

}  // namespace unitgain
