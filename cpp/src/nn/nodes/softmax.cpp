// Softmax and log-softmax along the columns.
#include "ops/softmax.hpp"
#include "nn/node.hpp"
#include "nn/plan_builder.hpp"

namespace unitgain {

namespace nn {

namespace {

// Softmax or log-softmax.
template <class T>
using SoftmaxFunction = void (*)(const runtime::Team&, const T*, T*, Index, Index, Index);
template <class T>
using SoftmaxGradient = void (*)(const runtime::Team&, const T*, const T*, T*, Index, Index, Index);

template <class T>
void softmax_forward(PlanBuilder<T>& builder, const Group<T>& group, SoftmaxFunction<T> function) {
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Index rows = builder.rows(group.result), cols = builder.node(group.result).shape.cols;
  builder.step("softmax", ops::softmax_work(rows, cols), {x, y},
               [=](const runtime::Team& team, const Context<T>& context) {
                 function(team, context.at(x), context.at(y), rows, cols, 1);
               });
}

template <class T>
void softmax_backward(PlanBuilder<T>& builder, const Group<T>& group, SoftmaxGradient<T> function) {
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const BufferId y = builder.value(group.result);
  const BufferId dy = builder.gradient(group.result), dx = builder.begin_gradient(source);
  // The shape is the softmax's own: a reshape may lie between it and its source.
  const Index rows = builder.rows(group.result), cols = builder.node(group.result).shape.cols;
  builder.step("softmax gradient", ops::softmax_work(rows, cols), {y, dy, dx},
               [=](const runtime::Team& team, const Context<T>& context) {
                 function(team, context.at(y), context.at(dy), context.at(dx), rows, cols, 1);
               });
  builder.finish_gradient(source, dx);
}

template <class T>
class Softmax final : public Kind<Softmax<T>, T> {
 public:
  static constexpr const char* kind_name = "softmax";

  SampleShape bind(std::span<const SampleShape> inputs) override { return inputs[0]; }
  Role role() const override { return Role::softmax; }
  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    softmax_forward<T>(builder, group, ops::softmax<T>);
  }
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    softmax_backward<T>(builder, group, ops::softmax_gradient<T>);
  }
};

template <class T>
class LogSoftmax final : public Kind<LogSoftmax<T>, T> {
 public:
  static constexpr const char* kind_name = "log_softmax";

  SampleShape bind(std::span<const SampleShape> inputs) override { return inputs[0]; }
  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    softmax_forward<T>(builder, group, ops::log_softmax<T>);
  }
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    softmax_backward<T>(builder, group, ops::log_softmax_gradient<T>);
  }
};

}  // namespace

UNITGAIN_NODE_KIND(softmax, Softmax);
UNITGAIN_NODE_KIND(log_softmax, LogSoftmax);

}  // namespace nn

template <class T>
NodeId Graph<T>::softmax(NodeId x) {
  return append(std::make_shared<nn::Softmax<T>>(), {x});
}
template <class T>
NodeId Graph<T>::log_softmax(NodeId x) {
  return append(std::make_shared<nn::LogSoftmax<T>>(), {x});
}
template NodeId Graph<float>::softmax(NodeId);
template NodeId Graph<double>::softmax(NodeId);
template NodeId Graph<float>::log_softmax(NodeId);
template NodeId Graph<double>::log_softmax(NodeId);

}  // namespace unitgain
