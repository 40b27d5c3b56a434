// The nodes without parameters, and the dispatch of a group to its operation's file.
#include "nn/plan_builder.hpp"
#include "ops/activation.hpp"
#include "ops/noise.hpp"
#include "ops/rows.hpp"
#include "ops/softmax.hpp"
#include "ops/transpose.hpp"
#include "unitgain/noise.hpp"

namespace unitgain::nn {

namespace {

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
void noise_forward(PlanBuilder<T>& builder, const Group<T>& group, const NoiseNode& node) {
  if (!draws(builder.mode(), builder.node(group.head).training)) {
    return activation_forward(builder, group, mean_activation(node.noise));
  }
  builder.draws();
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Index n = builder.values(group.result);
  builder.step("noise", 0.5 * static_cast<double>(n), {x, y},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::noise<T>(team, node.noise, context.at(x), context.at(y), n, node.key,
                               context.step);
               });
}

template <class T>
void noise_gradient_step(PlanBuilder<T>& builder, const NoiseNode& node, BufferId x, BufferId dy,
                         BufferId dx, Index n) {
  builder.step("noise gradient", 0.5 * static_cast<double>(n), {x, dy, dx},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::noise_gradient<T>(team, node.noise, context.at(x), context.at(dy),
                                        context.at(dx), n, node.key, context.step);
               });
}

template <class T>
void noise_backward(PlanBuilder<T>& builder, const Group<T>& group, const NoiseNode& node) {
  if (!draws(builder.mode(), builder.node(group.head).training)) {
    return activation_backward(builder, group, mean_activation(node.noise));
  }
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const BufferId dy = builder.gradient(group.result), dx = builder.begin_gradient(source);
  // The input is kept for the one kind whose derivative depends on it.
  const BufferId x = node.noise.kind == Noise::rrelu ? builder.value(source) : dy;
  noise_gradient_step(builder, node, x, dy, dx, builder.values(source));
  builder.finish_gradient(source, dx);
}

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
void transpose_forward(PlanBuilder<T>& builder, const Group<T>& group, const TransposeNode& node) {
  transpose_step(builder, "transpose", builder.value(group.inputs[0]), builder.value(group.result),
                 builder.values(group.result), node.rows, node.cols);
}

template <class T>
void transpose_backward(PlanBuilder<T>& builder, const Group<T>& group, const TransposeNode& node) {
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const BufferId dx = builder.begin_gradient(source);
  transpose_step(builder, "transpose gradient", builder.gradient(group.result), dx,
                 builder.values(source), node.cols, node.rows);
  builder.finish_gradient(source, dx);
}

// The gradient of a group's own dropout and activation, unless the product that made the gradient
// had it. What others read too, or lies within another gradient, is written to a buffer of its own.
template <class T>
void differentiate_group(PlanBuilder<T>& builder, const Group<T>& group) {
  const NodeId result = group.result;
  if (builder.derivative_applied(result)) return;
  if (group.dropout >= 0) {
    const auto& node = std::get<NoiseNode>(builder.node(group.dropout).operation);
    const BufferId dy = builder.gradient(result);
    const BufferId dx = builder.owns_gradient(result) ? dy : builder.begin_gradient(result);
    noise_gradient_step(builder, node, dy, dy, dx, builder.values(result));
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

template <class... Case>
struct Overload : Case... {
  using Case::operator()...;
};
template <class... Case>
Overload(Case...) -> Overload<Case...>;

}  // namespace

template <class T>
void lower_forward(PlanBuilder<T>& builder, const Group<T>& group) {
  std::visit(
      Overload{
          [&](const DenseNode<T>& node) { dense_forward(builder, group, node); },
          [&](const BatchNormNode<T>& node) { batch_norm_forward(builder, group, node); },
          [&](const LayerNormNode<T>& node) { layer_norm_forward(builder, group, node); },
          [&](const ActivationNode& node) { activation_forward(builder, group, node.activation); },
          [&](const PReluNode<T>& node) { prelu_forward(builder, group, node); },
          [&](const SoftmaxNode&) { softmax_forward<T>(builder, group, ops::softmax<T>); },
          [&](const LogSoftmaxNode&) { softmax_forward<T>(builder, group, ops::log_softmax<T>); },
          [&](const NoiseNode& node) { noise_forward(builder, group, node); },
          [&](const ActivityNode& node) { activity_forward(builder, group, node); },
          [&](const TransposeNode& node) { transpose_forward(builder, group, node); },
          [&](const AddNode&) { add_forward(builder, group); },
          [&](const ConcatenateNode&) { concatenate_forward(builder, group); },
          [&](const CustomNode<T>& node) { custom_forward(builder, group, node); },
          [](const InputNode&) {},
          [](const ReshapeNode&) {},
      },
      builder.node(group.head).operation);
}

template <class T>
void lower_backward(PlanBuilder<T>& builder, const Group<T>& group) {
  if (!builder.wants_gradient(group.result)) return;
  differentiate_group(builder, group);
  std::visit(
      Overload{
          [&](const DenseNode<T>& node) { dense_backward(builder, group, node); },
          [&](const BatchNormNode<T>& node) { batch_norm_backward(builder, group, node); },
          [&](const LayerNormNode<T>& node) { layer_norm_backward(builder, group, node); },
          [&](const ActivationNode& node) { activation_backward(builder, group, node.activation); },
          [&](const PReluNode<T>& node) { prelu_backward(builder, group, node); },
          [&](const SoftmaxNode&) {
            softmax_backward<T>(builder, group, ops::softmax_gradient<T>);
          },
          [&](const LogSoftmaxNode&) {
            softmax_backward<T>(builder, group, ops::log_softmax_gradient<T>);
          },
          [&](const NoiseNode& node) { noise_backward(builder, group, node); },
          [&](const ActivityNode& node) { activity_backward(builder, group, node); },
          [&](const TransposeNode& node) { transpose_backward(builder, group, node); },
          [&](const AddNode&) { add_backward(builder, group); },
          [&](const ConcatenateNode&) { concatenate_backward(builder, group); },
          [&](const CustomNode<T>& node) { custom_backward(builder, group, node); },
          [](const InputNode&) {},
          [](const ReshapeNode&) {},
      },
      builder.node(group.head).operation);
}

template void lower_forward(PlanBuilder<float>&, const Group<float>&);
template void lower_forward(PlanBuilder<double>&, const Group<double>&);
template void lower_backward(PlanBuilder<float>&, const Group<float>&);
template void lower_backward(PlanBuilder<double>&, const Group<double>&);

}  // namespace unitgain::nn
