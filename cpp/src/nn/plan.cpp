#include "nn/plan.hpp"

#include "nn/fusion.hpp"
#include "nn/graph_queries.hpp"
#include "nn/lowering.hpp"
#include "nn/probe.hpp"

namespace unitgain::nn {

namespace {

// Cross-entropy of a softmax is computed from what the softmax is of: more accurate, and cheaper.
template <class T>
NodeId without_softmax(const Graph<T>& graph, NodeId output, LossSpec& loss) {
  if (loss.from_logits || (loss.kind != LossKind::categorical_crossentropy &&
                           loss.kind != LossKind::sparse_categorical_crossentropy)) {
    return output;
  }
  NodeId id = output;
  while (graph.node(id).operation->role() == Role::reshape) {
    id = graph.node(id).inputs[0];
  }
  const Node<T>& node = graph.node(id);
  if (node.operation->role() != Role::softmax || node.shape.cols != graph.node(output).shape.cols) {
    return output;
  }
  loss.from_logits = true;
  return node.inputs[0];
}

// The values that a plan computes: the outputs, or what their losses are of.
struct Goal {
  std::size_t output;
  NodeId node;
  LossSpec loss;
  bool softmax;  // whether the output is the softmax of the node
};

template <class T>
std::vector<Goal> goals_of(const PlanRequest<T>& request) {
  std::vector<Goal> goals;
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    if (!compares(request.mode)) {
      goals.push_back({i, request.outputs[i], {}, false});
      continue;
    }
    const OutputLoss& requested = request.losses[i];
    if (!requested.loss) continue;
    LossSpec loss = *requested.loss;
    const NodeId node = without_softmax(request.graph, request.outputs[i], loss);
    goals.push_back({i, node, loss, node != request.outputs[i]});
  }
  return goals;
}

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// Where the caller wants each output. What is an input too, or another output, is copied there.
template <class T>
void deliver(PlanBuilder<T>& builder, const std::vector<Goal>& goals,
             const std::vector<BufferId>& inputs, std::vector<BufferId>& outputs) {
  for (const Goal& goal : goals) {
    const NodeId value = builder.value_of(goal.node);
    BufferId at = builder.value(value);
    if (contains(inputs, at) || contains(outputs, at)) {
      const Index n = builder.values(value);
      const View copy = builder.whole(builder.buffer(n), 1, n);
      copy_matrix(builder, "copy", builder.whole(at, 1, n), copy);
      at = copy.buffer;
    }
    builder.keep(at);
    outputs.push_back(at);
  }
}

// The gradients at the outputs, where the caller has them.
template <class T>
std::vector<BufferId> take_upstreams(PlanBuilder<T>& builder, const std::vector<Goal>& goals) {
  std::vector<BufferId> upstreams;
  for (const Goal& goal : goals) {
    const NodeId value = builder.value_of(goal.node);
    const BufferId upstream = builder.buffer(builder.values(value));
    builder.keep(upstream);
    const Index cols = builder.node(value).shape.cols;
    builder.add_gradient(value, builder.whole(upstream, builder.rows(value), cols), false);
    upstreams.push_back(upstream);
  }
  return upstreams;
}

// Leaves the gradient at each input where the caller wants it; 0 where no output depends on it.
template <class T>
std::vector<BufferId> give_gradients(PlanBuilder<T>& builder, const Graph<T>& graph) {
  std::vector<BufferId> gradients;
  for (const NodeId id : input_nodes(graph)) {
    const Index n = builder.values(id);
    const View to = builder.whole(builder.buffer(n), 1, n);
    builder.keep(to.buffer);
    gradients.push_back(to.buffer);
    if (builder.has_gradient(id)) {
      copy_matrix(builder, "input gradient", builder.whole(builder.gradient(id), 1, n), to);
      continue;
    }
    builder.step("input gradient", 0.1 * static_cast<double>(n), {to.buffer},
                 [=](const runtime::Team& team, const Context<T>& context) {
                   const runtime::Range part = team.share(n);
                   std::fill_n(context.at(to.buffer) + part.begin, part.size(), T{0});
                 });
  }
  return gradients;
}

// Reads the inputs that the goals depend on.
template <class T>
std::vector<BufferId> read_inputs(PlanBuilder<T>& builder, const Graph<T>& graph) {
  std::vector<BufferId> buffers;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).operation->role() != Role::input) continue;
    const std::size_t number = buffers.size();
    const bool used = builder.fusion().consumers[i] > 0;
    if (used) read_batch(builder, number, id);
    buffers.push_back(used && builder.has_buffer(id) ? builder.value(id) : no_buffer);
  }
  return buffers;
}

}  // namespace

template <class T>
Plan<T> make_plan(const PlanRequest<T>& request) {
  const std::vector<Goal> goals = goals_of(request);
  std::vector<NodeId> wanted;
  for (const Goal& goal : goals) wanted.push_back(goal.node);
  PlanBuilder<T> builder(request, fuse(request.graph, wanted, request.mode));
  const Fusion<T>& fusion = builder.fusion();

  std::vector<BufferId> inputs = read_inputs(builder, request.graph), outputs, upstreams;
  std::vector<Probe> probes;
  if (measures(request.mode)) {
    for (std::size_t i = 0; i < request.graph.nodes().size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const bool is_input = request.graph.node(id).operation->role() == Role::input;
      if (is_input && fusion.consumers[i] > 0) measure_values(builder, id, probes);
    }
  }
  for (const Group<T>& group : fusion.groups) {
    request.graph.node(group.head).operation->forward(builder, group);
    if (measures(request.mode)) measure_values(builder, group.result, probes);
  }
  std::vector<LossBuffers> losses;
  if (compares(request.mode)) {
    losses.resize(request.outputs.size());
    for (const Goal& goal : goals) {
      // The output's own shape: behind a reshape, the value's has other rows.
      const SampleShape shape = request.graph.node(request.outputs[goal.output]).shape;
      losses[goal.output] =
          request.plan_loss(builder, goal.output, builder.value_of(goal.node), shape, goal.loss,
                            request.losses[goal.output], goal.softmax);
    }
  } else if (differentiates(request.mode)) {
    upstreams = take_upstreams(builder, goals);
  } else {
    deliver(builder, goals, inputs, outputs);
  }
  if (differentiates(request.mode)) {
    for (auto group = fusion.groups.rbegin(); group != fusion.groups.rend(); ++group) {
      if (!builder.wants_gradient(group->result)) continue;
      // Nothing leads back through a custom node that nothing is trained below.
      if (request.mode != Mode::train && !builder.has_gradient(group->result)) continue;
      if (measures(request.mode)) measure_gradient(builder, group->result, probes);
      differentiate_group(builder, *group);
      request.graph.node(group->head).operation->backward(builder, *group);
      builder.gradients_are_ready();
    }
  }
  for (const Probe& probe : std::vector(probes)) {
    const bool is_input = request.graph.node(probe.node).operation->role() == Role::input;
    if (is_input) measure_gradient(builder, probe.node, probes);
  }
  std::vector<BufferId> input_gradients;
  if (request.mode == Mode::explain) input_gradients = give_gradients(builder, request.graph);
  Plan<T> plan = builder.finish();
  plan.probes = std::move(probes);
  plan.inputs = std::move(inputs);
  plan.outputs = std::move(outputs);
  plan.upstreams = std::move(upstreams);
  plan.input_gradients = std::move(input_gradients);
  plan.losses = std::move(losses);
  return plan;
}

template Plan<float> make_plan(const PlanRequest<float>&);
template Plan<double> make_plan(const PlanRequest<double>&);

}  // namespace unitgain::nn
