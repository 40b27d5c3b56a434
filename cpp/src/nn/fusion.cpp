#include "nn/fusion.hpp"

#include <algorithm>

#include "nn/graph_queries.hpp"
#include "unitgain/activation.hpp"

namespace unitgain::nn {

namespace {

// Puts the node into the group that computes its input, if that group can take it.
template <class T>
bool absorb(Group<T>& group, const Graph<T>& graph, NodeId id, Mode mode) {
  const Node<T>& node = graph.node(id);
  const auto epilogue = node.operation->as_epilogue(mode, node.training);
  if (!epilogue || !graph.node(group.head).operation->takes(*epilogue)) return false;
  const bool open = group.activation.kind == Activation::linear && !group.dropout;
  if (const auto* norm = std::get_if<FixedNorm<T>>(&*epilogue)) {
    if (!open || group.norm) return false;
    group.norm = *norm;
  } else if (const auto* activation = std::get_if<ActivationSpec>(&*epilogue)) {
    if (!open) return false;
    group.activation = *activation;
  } else {
    // The activation's derivative must not need what dropout leaves nowhere: it is taken at what
    // went in, or is 0 where dropout's result is.
    const bool differentiable = open || activation_info(group.activation.kind).saves_input ||
                                group.activation.kind == Activation::relu;
    if (group.dropout || !differentiable) return false;
    group.dropout = std::get<Dropout>(*epilogue);
  }
  return true;
}

std::size_t at(NodeId id) {
  return static_cast<std::size_t>(id);
}

// Gives values a place in the concatenation that reads them, if those who make and read them can
// deal with rows that lie apart. A reshape between two nodes needs rows that do not.
template <class T>
void place_in_concatenations(const Graph<T>& graph, const std::vector<NodeId>& outputs,
                             Fusion<T>& fusion) {
  const auto count = graph.nodes().size();
  fusion.slots.assign(count, {});
  std::vector<bool> may(count, true);
  const auto value_of = [&](NodeId id) { return fusion.value_of[at(id)]; };
  for (const NodeId output : outputs) may[at(value_of(output))] = false;
  for (const Group<T>& group : fusion.groups) {
    const bool takes = graph.node(group.head).operation->takes_rows_apart();
    if (!takes) may[at(group.result)] = false;
    for (const NodeId input : graph.node(group.head).inputs) {
      const SampleShape made = graph.node(value_of(input)).shape, read = graph.node(input).shape;
      if (!takes || made.cols != read.cols) may[at(value_of(input))] = false;
    }
  }
  for (const Group<T>& group : fusion.groups) {
    if (graph.node(group.head).operation->role() != Role::concatenation) continue;
    Index column = 0;
    for (const NodeId input : graph.node(group.head).inputs) {
      Slot& slot = fusion.slots[at(value_of(input))];
      if (may[at(value_of(input))] && slot.concatenation < 0) slot = {group.result, column};
      column += graph.node(input).shape.cols;
    }
  }
}

}  // namespace

template <class T>
Fusion<T> fuse(const Graph<T>& graph, const std::vector<NodeId>& outputs, Mode mode) {
  const auto count = graph.nodes().size();
  const std::vector<bool> needed = ancestors(graph, outputs);
  Fusion<T> fusion{{},
                   std::vector<NodeId>(count, -1),
                   std::vector<int>(count, -1),
                   std::vector<int>(count, 0),
                   std::vector<bool>(count, false),
                   {}};

  // Readers of each value, counted before grouping: only a value with one reader may be absorbed.
  std::vector<int> readers(count, 0);
  for (std::size_t i = 0; i < count; ++i) {
    if (!needed[i]) continue;
    const Node<T>& node = graph.nodes()[i];
    const bool identity = node.operation->is_identity(mode, node.training);
    fusion.value_of[i] = identity ? fusion.value_of[at(node.inputs[0])] : static_cast<NodeId>(i);
    if (identity) continue;
    for (const NodeId input : node.inputs) ++readers[at(fusion.value_of[at(input)])];
  }
  for (const NodeId output : outputs) ++readers[at(fusion.value_of[at(output)])];

  std::vector<bool> trained(count, false);  // whether there is a trained parameter at or below
  for (std::size_t i = 0; i < count; ++i) {
    const Node<T>& node = graph.nodes()[i];
    if (!needed[i] || fusion.value_of[i] != static_cast<NodeId>(i)) continue;
    bool gradient = node.trainable && !node.operation->trained().empty();
    bool is_trained = gradient;
    std::vector<NodeId> inputs;
    for (const NodeId input : node.inputs) {
      inputs.push_back(fusion.value_of[at(input)]);
      gradient = gradient || fusion.has_gradient[at(inputs.back())];
      is_trained = is_trained || trained[at(inputs.back())];
    }
    // A probe goes back to the inputs, but through custom nodes only where training does, too: they
    // may have no derivative.
    if (mode == Mode::probe) {
      const bool is_custom = !has_kind(node.operation->kind());
      gradient = is_custom ? is_trained : gradient || inputs.empty();
    }
    // An explanation is of the inputs alone.
    if (mode == Mode::explain) {
      const auto has = [&](NodeId input) { return fusion.has_gradient[at(input)]; };
      gradient = inputs.empty() || std::any_of(inputs.begin(), inputs.end(), has);
    }
    trained[i] = is_trained;
    fusion.has_gradient[i] = gradient;
    if (inputs.empty()) continue;

    const NodeId source = inputs[0];
    const int source_group = fusion.group_of[at(source)];
    if (!measures(mode) && inputs.size() == 1 && readers[at(source)] == 1 && source_group >= 0 &&
        absorb(fusion.groups[at(source_group)], graph, static_cast<NodeId>(i), mode)) {
      fusion.groups[at(source_group)].result = static_cast<NodeId>(i);
      fusion.group_of[i] = source_group;
      continue;
    }
    fusion.group_of[i] = static_cast<int>(fusion.groups.size());
    fusion.groups.push_back({static_cast<NodeId>(i), inputs, {}, {}, {}, static_cast<NodeId>(i)});
  }
  for (const Group<T>& group : fusion.groups) {
    for (const NodeId input : group.inputs) ++fusion.consumers[at(input)];
  }
  for (const NodeId output : outputs) ++fusion.consumers[at(fusion.value_of[at(output)])];
  place_in_concatenations(graph, outputs, fusion);
  return fusion;
}

template Fusion<float> fuse(const Graph<float>&, const std::vector<NodeId>&, Mode);
template Fusion<double> fuse(const Graph<double>&, const std::vector<NodeId>&, Mode);

}  // namespace unitgain::nn
