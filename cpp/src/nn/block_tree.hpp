// The tree that the sum over a batch's blocks is, and which process has which part of it.
#pragma once

#include <bit>
#include <vector>

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::nn {

using runtime::Range;

// The blocks of a process: as many as of any other, to within one.
inline Range blocks_of(int rank, int size, Index blocks) {
  return {blocks * rank / size, blocks * (rank + 1) / size};
}
inline int owner_of(Index block, int size, Index blocks) {
  return static_cast<int>(((block + 1) * size - 1) / blocks);
}

// The rows of a block: as many as in any other, to within one.
inline Range rows_of(Index block, Index blocks, Index rows) {
  return {rows * block / blocks, rows * (block + 1) / blocks};
}

// A node of the tree, which is over the blocks [begin, end). Going through some nodes in their
// order, with the sums so far in a stack, so many pairs of sums on top are added after this one.
struct Subtree {
  Index begin, end;
  int merges;
};

// A node of several blocks is the sum of that of its first 2^k, the largest power of two below
// their number, and that of the rest. Appends the largest nodes within [begin, end) of which
// is_leaf(begin, end) is true; of single blocks it must be.
template <class IsLeaf>
void append_leaves(Index begin, Index end, const IsLeaf& is_leaf, std::vector<Subtree>& found) {
  if (is_leaf(begin, end)) {
    found.push_back({begin, end, 0});
    return;
  }
  const auto below = static_cast<std::uint64_t>(end - begin - 1);
  const Index middle = begin + static_cast<Index>(std::bit_floor(below));
  append_leaves(begin, middle, is_leaf, found);
  append_leaves(middle, end, is_leaf, found);
  ++found.back().merges;
}

// The largest nodes that are one process's alone: those of all processes, in their order.
inline std::vector<Subtree> shared_leaves(Index blocks, int size) {
  std::vector<Subtree> found;
  append_leaves(
      0, blocks,
      [=](Index begin, Index end) {
        return owner_of(begin, size, blocks) == owner_of(end - 1, size, blocks);
      },
      found);
  return found;
}

// The blocks of one process with the sums behind each that it can do alone.
inline std::vector<Subtree> own_leaves(Index blocks, int rank, int size) {
  std::vector<Subtree> found;
  for (const Subtree& node : shared_leaves(blocks, size)) {
    if (owner_of(node.begin, size, blocks) != rank) continue;
    append_leaves(
        node.begin, node.end, [](Index begin, Index end) { return end - begin == 1; }, found);
  }
  return found;
}

}  // namespace unitgain::nn
