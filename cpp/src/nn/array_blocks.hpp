// Arrays cut into blocks, which a team shares: what is summed up block by block does not depend on
// who does which.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "ops/norm.hpp"
#include "unitgain/types.hpp"

namespace unitgain::nn {

// A part of an array.
struct ArrayBlock {
  std::size_t array;
  Index first;
  Index count;
};

class ArrayBlocks {
 public:
  void add(Index size) {
    const std::size_t array = firsts_.size() - 1;
    for (Index first = 0; first < size; first += ops::norm_block) {
      blocks_.push_back({array, first, std::min(ops::norm_block, size - first)});
    }
    firsts_.push_back(static_cast<Index>(blocks_.size()));
  }

  Index size() const { return static_cast<Index>(blocks_.size()); }
  const ArrayBlock& operator[](Index i) const { return blocks_[static_cast<std::size_t>(i)]; }
  // Those of one array.
  Index begin(std::size_t array) const { return firsts_[array]; }
  Index end(std::size_t array) const { return firsts_[array + 1]; }

 private:
  std::vector<ArrayBlock> blocks_;
  std::vector<Index> firsts_{0};
};

}  // namespace unitgain::nn
