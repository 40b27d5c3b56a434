#include "nn/plan.hpp"

#include "nn/fusion.hpp"
#include "nn/plan_builder.hpp"

namespace unitgain::nn {

namespace {

template <class T>
NodeId input_node(const Graph<T>& graph) {
  NodeId id = 0;
  while (!std::holds_alternative<InputNode>(graph.node(id).operation)) ++id;
  return id;
}

// A network whose output is its input still has to put it where the caller wants it.
template <class T>
BufferId copy_of(PlanBuilder<T>& builder, BufferId from, NodeId output) {
  const Index n = builder.values(output);
  const BufferId to = builder.buffer(n);
  builder.step("copy", 0.2 * static_cast<double>(n), {from, to},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const runtime::Range range = team.share(n, 256);
                 std::copy_n(context.at(from) + range.begin, range.size(),
                             context.at(to) + range.begin);
               });
  return to;
}

// Cross-entropy of a softmax is computed from what the softmax is of: more accurate, and cheaper.
// The class with the largest logit is the one with the largest probability; other metrics need the
// probabilities.
template <class T>
NodeId without_softmax(const Graph<T>& graph, NodeId output, LossSpec& loss,
                       const MetricSpec& metrics) {
  const bool dense = loss.kind == LossKind::categorical_crossentropy;
  if (loss.from_logits || (dense && (metrics.errors || metrics.binary_accuracy)) ||
      (!dense && loss.kind != LossKind::sparse_categorical_crossentropy)) {
    return output;
  }
  NodeId id = output;
  while (std::holds_alternative<ReshapeNode>(graph.node(id).operation)) {
    id = graph.node(id).inputs[0];
  }
  const Node<T>& node = graph.node(id);
  if (!std::holds_alternative<SoftmaxNode>(node.operation) ||
      node.shape.cols != graph.node(output).shape.cols) {
    return output;
  }
  loss.from_logits = true;
  return node.inputs[0];
}

}  // namespace

template <class T>
Plan<T> make_plan(const Graph<T>& graph, NodeId output, Index batch, Mode mode,
                  const LossSpec* loss, const MetricSpec& metrics,
                  const ParameterGradients<T>& gradients, int threads, Precision precision) {
  LossSpec criterion = loss != nullptr ? *loss : LossSpec{};
  const bool compares = mode == Mode::evaluate || mode == Mode::train;
  if (compares) output = without_softmax(graph, output, criterion, metrics);
  PlanBuilder<T> builder(graph, fuse(graph, output, mode), batch, mode, gradients, threads,
                         precision);
  const Fusion<T>& fusion = builder.fusion();

  const NodeId source = input_node(graph);
  const BufferId input = builder.value(source);
  read_batch(builder, input, graph.node(source).shape.size());
  for (const Group<T>& group : fusion.groups) lower_forward(builder, group);

  const NodeId result = fusion.value_of[static_cast<std::size_t>(output)];
  BufferId last = builder.value(result);
  LossBuffers losses;
  if (compares) {
    losses = compute_loss(builder, result, criterion, metrics);
  } else {
    if (last == input) last = copy_of(builder, input, output);
    builder.keep(last);
  }
  if (mode == Mode::train) {
    for (auto group = fusion.groups.rbegin(); group != fusion.groups.rend(); ++group) {
      lower_backward(builder, *group);
    }
  }
  Plan<T> plan = builder.finish(input, last);
  plan.losses = losses;
  plan.rows = builder.rows(output);
  return plan;
}

template Plan<float> make_plan(const Graph<float>&, NodeId, Index, Mode, const LossSpec*,
                               const MetricSpec&, const ParameterGradients<float>&, int, Precision);
template Plan<double> make_plan(const Graph<double>&, NodeId, Index, Mode, const LossSpec*,
                                const MetricSpec&, const ParameterGradients<double>&, int,
                                Precision);

}  // namespace unitgain::nn
