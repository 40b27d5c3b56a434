// The graph as the plan runs it: nodes that one pass can compute are grouped, and nodes that change
// nothing are left out.
#pragma once

#include <vector>

#include "nn/plan.hpp"

namespace unitgain::nn {

// A head node with what is computed in the same pass: for a dense node in inference mode a batch
// norm behind it, for dense and batch norm nodes an activation, and for dense nodes in training a
// dropout behind all.
template <class T>
struct Group {
  NodeId head;
  std::vector<NodeId> inputs;  // values, see Fusion::value_of
  NodeId folded_norm = -1;
  ActivationSpec activation = {};
  NodeId dropout = -1;
  NodeId result;  // the value that it computes
};

template <class T>
struct Fusion {
  std::vector<Group<T>> groups;  // in the order of computation
  std::vector<NodeId> value_of;  // the node whose value each node's is: itself, or an earlier one's
  std::vector<int> group_of;     // the group that computes each value; -1: none (inputs)
  std::vector<int> consumers;    // how many groups (and the loss) read each value
  std::vector<bool> has_gradient;  // whether a trainable parameter lies at or below each value
};

// `output` is the node whose value is wanted.
template <class T>
Fusion<T> fuse(const Graph<T>& graph, NodeId output, Mode mode);

}  // namespace unitgain::nn
