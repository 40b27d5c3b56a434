// The penalty of a layer's outputs: a node that hands its input on, and what it adds to the loss
// and to the gradient.
#include <algorithm>
#include <cmath>

#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "ops/norm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/weight.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

// Training and evaluation add l1 times the sum of |x| and l2 times that of x^2, divided by the
// batch's size, to the loss.
template <class T>
class Activity final : public Kind<Activity<T>, T> {
 public:
  static constexpr const char* kind_name = "activity";

  Activity() = default;
  Activity(double l1, double l2) : l1_(l1), l2_(l2) {}

  Content<T> content() override { return {{}, {{"l1", &l1_}, {"l2", &l2_}}}; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    for (const double factor : {l1_, l2_}) {
      if (std::isfinite(factor) && factor >= 0) continue;
      throw ValueError("a penalty's factor must be finite and at least 0, but it is " +
                       std::to_string(factor));
    }
    return inputs[0];
  }

  bool is_identity(Mode mode, Training) const override { return !compares(mode); }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  double l1_ = 0, l2_ = 0;
};

// body(block, first, count) for this thread's share of the blocks.
template <class Body>
void for_each_block(const runtime::Team& team, Index n, Body&& body) {
  const runtime::Range part = team.share((n + ops::norm_block - 1) / ops::norm_block, 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const Index first = i * ops::norm_block;
    body(i, first, std::min(ops::norm_block, n - first));
  }
}

template <class T>
void Activity<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Index n = builder.values(group.result);
  const Index blocks = (n + ops::norm_block - 1) / ops::norm_block;
  const BufferId sums = builder.template buffer<double>(2 * blocks);
  builder.keep(sums);
  builder.add_activity({sums, blocks, l1_, l2_});
  builder.step("activity", 0.4 * static_cast<double>(n), {x, y, sums},
               [=](const runtime::Team& team, const Context<T>& context) {
                 for_each_block(team, n, [&](Index block, Index first, Index count) {
                   const T* from = context.at(x) + first;
                   runtime::kernels<T>().weight->magnitudes(
                       from, count, context.template at<double>(sums) + 2 * block);
                   std::copy_n(from, count, context.at(y) + first);
                 });
               });
}

template <class T>
void Activity<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const BufferId x = builder.value(source), dy = builder.gradient(group.result);
  const BufferId dx = builder.begin_gradient(source);
  const Index n = builder.values(source);
  builder.step(
      "activity gradient", 0.4 * static_cast<double>(n), {x, dy, dx},
      [=, l1 = l1_, l2 = l2_](const runtime::Team& team, const Context<T>& context) {
        const auto batch = static_cast<double>(context.whole);
        const simd::PenaltyFactors<T> factors{static_cast<T>(l1 / batch),
                                              static_cast<T>(l2 / batch), T{1}};
        for_each_block(team, n, [&](Index, Index first, Index count) {
          runtime::kernels<T>().weight->penalize(
              {context.at(x) + first, context.at(dy) + first, nullptr, context.at(dx) + first},
              count, factors);
        });
      });
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(activity, Activity);

}  // namespace nn

template <class T>
NodeId Graph<T>::activity(NodeId x, double l1, double l2) {
  return append(std::make_shared<nn::Activity<T>>(l1, l2), {x});
}
template NodeId Graph<float>::activity(NodeId, double, double);
template NodeId Graph<double>::activity(NodeId, double, double);

}  // namespace unitgain
