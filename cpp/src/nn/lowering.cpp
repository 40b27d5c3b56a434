#include "nn/lowering.hpp"

#include <algorithm>

#include "ops/activation.hpp"
#include "ops/noise.hpp"
#include "ops/rows.hpp"

namespace unitgain::nn {

template <class T>
void copy_matrix(PlanBuilder<T>& builder, const char* name, const View& from, const View& to) {
  builder.step(name, 0.2 * static_cast<double>(to.rows * to.cols), {from.buffer, to.buffer},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::copy_rows<T>(team, read_at(context, from), at(context, to));
               });
}

template <class T>
void activation_forward(PlanBuilder<T>& builder, const Group<T>& group,
                        const ActivationSpec& activation) {
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Index n = builder.values(group.result);
  builder.step("activation", 0.3 * static_cast<double>(n), {x, y},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::activation<T>(team, activation, context.at(x), context.at(y), n);
               });
}

template <class T>
void activation_backward(PlanBuilder<T>& builder, const Group<T>& group,
                         const ActivationSpec& activation) {
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const BufferId saved =
      builder.value(activation_info(activation.kind).saves_input ? source : group.result);
  const BufferId dy = builder.gradient(group.result), dx = builder.begin_gradient(source);
  const Index n = builder.values(source);
  builder.step("activation gradient", 0.3 * static_cast<double>(n), {saved, dy, dx},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::activation_gradient<T>(team, activation, context.at(saved), context.at(dy),
                                             context.at(dx), n);
               });
  builder.finish_gradient(source, dx);
}

template <class T>
void noise_gradient(PlanBuilder<T>& builder, const NoiseSpec& noise, std::uint64_t key, BufferId x,
                    BufferId dy, BufferId dx, Index n) {
  builder.step("noise gradient", 0.5 * static_cast<double>(n), {x, dy, dx},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::noise_gradient<T>(team, noise, context.at(x), context.at(dy), context.at(dx),
                                        n, key, context.step);
               });
}

template <class T>
void zero_gradient(PlanBuilder<T>& builder, NodeId source) {
  if (!builder.wants_gradient(source)) return;
  const BufferId dx = builder.begin_gradient(source);
  const Index n = builder.values(source);
  builder.step("zero gradient", 0.1 * static_cast<double>(n), {dx},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const runtime::Range part = team.share(n);
                 std::fill(context.at(dx) + part.begin, context.at(dx) + part.end, T{0});
               });
  builder.finish_gradient(source, dx);
}

template <class T>
void differentiate_group(PlanBuilder<T>& builder, const Group<T>& group) {
  const NodeId result = group.result;
  if (builder.derivative_applied(result)) return;
  if (group.dropout) {
    const BufferId dy = builder.gradient(result);
    const BufferId dx = builder.owns_gradient(result) ? dy : builder.begin_gradient(result);
    noise_gradient(builder, group.dropout->noise, group.dropout->key, dy, dy, dx,
                   builder.values(result));
    builder.replace_gradient(result, dx);
  }
  if (group.activation.kind == Activation::linear) return;
  const View saved = builder.saved(group), dy = builder.gradient_matrix(result, saved.cols);
  View dx = dy;
  if (!builder.owns_gradient(result) || !dy.contiguous()) {
    dx = builder.whole(builder.begin_gradient(result), dy.rows, dy.cols);
    builder.replace_gradient(result, dx.buffer);
  }
  builder.step(
      "activation gradient", 0.3 * static_cast<double>(builder.values(result)),
      {saved.buffer, dy.buffer, dx.buffer},
      [=, activation = group.activation](const runtime::Team& team, const Context<T>& context) {
        ops::activation_gradient_rows<T>(team, activation, read_at(context, saved),
                                         read_at(context, dy), at(context, dx));
      });
}

#define UNITGAIN_INSTANTIATE(T)                                                               \
  template void copy_matrix(PlanBuilder<T>&, const char*, const View&, const View&);          \
  template void activation_forward(PlanBuilder<T>&, const Group<T>&, const ActivationSpec&);  \
  template void activation_backward(PlanBuilder<T>&, const Group<T>&, const ActivationSpec&); \
  template void noise_gradient(PlanBuilder<T>&, const NoiseSpec&, std::uint64_t, BufferId,    \
                               BufferId, BufferId, Index);                                    \
  template void zero_gradient(PlanBuilder<T>&, NodeId);                                       \
  template void differentiate_group(PlanBuilder<T>&, const Group<T>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::nn
