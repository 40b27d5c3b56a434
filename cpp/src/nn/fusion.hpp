// The graph as the plan runs it: nodes that one pass can compute are grouped, and nodes that change
// nothing are left out.
#pragma once

#include <optional>
#include <vector>

#include "nn/node.hpp"

namespace unitgain::nn {

// A head node with what is computed in the same pass, in this order: a normalisation whose
// statistics stay as they are, an activation, a dropout; those that the head's kind takes.
template <class T>
struct Group {
  NodeId head;
  std::vector<NodeId> inputs;  // values, see Fusion::value_of
  std::optional<FixedNorm<T>> norm = {};
  ActivationSpec activation = {};
  std::optional<Dropout> dropout = {};
  NodeId result;  // the value that it computes
};

// Where a value lies in the value of a concatenation, whose columns its maker then writes.
struct Slot {
  NodeId concatenation = -1;  // -1: it has a buffer of its own
  Index column = 0;
};

template <class T>
struct Fusion {
  std::vector<Group<T>> groups;  // in the order of computation
  std::vector<NodeId> value_of;  // the node whose value each node's is: itself, or an earlier one's
  std::vector<int> group_of;     // the group that computes each value; -1: none (inputs)
  std::vector<int> consumers;    // how many groups (and outputs) read each value
  std::vector<bool> has_gradient;  // whether a trainable parameter lies at or below each value
  std::vector<Slot> slots;         // of each value
};

// `outputs` are the nodes whose values are wanted.
template <class T>
Fusion<T> fuse(const Graph<T>& graph, const std::vector<NodeId>& outputs, Mode mode);

}  // namespace unitgain::nn
