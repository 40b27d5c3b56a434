// Questions about a graph as a whole.
#pragma once

#include <algorithm>
#include <vector>

#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain::nn {

// Of the nodes that are used.
template <class T>
std::vector<ParameterPtr<T>> trainable_parameters(const Graph<T>& graph,
                                                  const std::vector<bool>& used) {
  std::vector<ParameterPtr<T>> found;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node<T>& node = graph.nodes()[i];
    if (!node.trainable || !used[i]) continue;
    for (const ParameterPtr<T>& parameter : node.operation->trained()) {
      if (std::find(found.begin(), found.end(), parameter) == found.end()) {
        found.push_back(parameter);
      }
    }
  }
  return found;
}

// Whether each node leads to one of these.
template <class T>
std::vector<bool> ancestors(const Graph<T>& graph, const std::vector<NodeId>& nodes) {
  std::vector<bool> used(graph.nodes().size());
  for (const NodeId id : nodes) used[static_cast<std::size_t>(id)] = true;
  for (std::size_t i = used.size(); i-- > 0;) {
    if (!used[i]) continue;
    for (const NodeId input : graph.nodes()[i].inputs) used[static_cast<std::size_t>(input)] = true;
  }
  return used;
}

template <class T>
std::vector<NodeId> input_nodes(const Graph<T>& graph) {
  std::vector<NodeId> found;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    if (graph.node(id).operation->role() == Role::input) found.push_back(id);
  }
  if (found.empty()) throw ValueError("the graph has no input");
  return found;
}

}  // namespace unitgain::nn
