// The penalty of a layer's outputs: a node that hands its input on, and what it adds to the loss
// and to the gradient.
#include <algorithm>

#include "nn/plan_builder.hpp"
#include "ops/norm.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::nn {

namespace {

// body(block, first, count) for this member's share of the blocks.
template <class Body>
void for_each_block(const runtime::Team& team, Index n, Body&& body) {
  const runtime::Range part = team.share((n + ops::norm_block - 1) / ops::norm_block, 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const Index first = i * ops::norm_block;
    body(i, first, std::min(ops::norm_block, n - first));
  }
}

}  // namespace

template <class T>
void activity_forward(PlanBuilder<T>& builder, const Group<T>& group, const ActivityNode& node) {
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Index n = builder.values(group.result);
  const Index blocks = (n + ops::norm_block - 1) / ops::norm_block;
  const BufferId sums = builder.template buffer<double>(2 * blocks);
  builder.keep(sums);
  builder.add_activity({sums, blocks, node.l1, node.l2});
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
void activity_backward(PlanBuilder<T>& builder, const Group<T>& group, const ActivityNode& node) {
  const NodeId source = group.inputs[0];
  const BufferId x = builder.value(source), dy = builder.gradient(group.result);
  const BufferId dx = builder.begin_gradient(source);
  const Index n = builder.values(source);
  const auto batch = static_cast<double>(builder.batch());
  const simd::PenaltyFactors<T> factors{static_cast<T>(node.l1 / batch),
                                        static_cast<T>(node.l2 / batch), T{1}};
  builder.step(
      "activity gradient", 0.4 * static_cast<double>(n), {x, dy, dx},
      [=](const runtime::Team& team, const Context<T>& context) {
        for_each_block(team, n, [&](Index, Index first, Index count) {
          runtime::kernels<T>().weight->penalize(
              {context.at(x) + first, context.at(dy) + first, nullptr, context.at(dx) + first},
              count, factors);
        });
      });
  builder.finish_gradient(source, dx);
}

template void activity_forward(PlanBuilder<float>&, const Group<float>&, const ActivityNode&);
template void activity_forward(PlanBuilder<double>&, const Group<double>&, const ActivityNode&);
template void activity_backward(PlanBuilder<float>&, const Group<float>&, const ActivityNode&);
template void activity_backward(PlanBuilder<double>&, const Group<double>&, const ActivityNode&);

}  // namespace unitgain::nn
