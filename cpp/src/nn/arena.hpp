// Buffers in one piece of memory: those that are never alive at the same time may share a place.
#pragma once

#include <vector>

#include "unitgain/types.hpp"

namespace unitgain::nn {

// From the first moment of use to the last; a buffer with last < first is never used.
struct Lifetime {
  Index bytes;
  int first, last;
};

// Where each buffer begins, at a cache line, and how much memory they take in all.
struct Arena {
  std::vector<Index> offsets;
  Index bytes;
};
Arena place(const std::vector<Lifetime>& buffers);

}  // namespace unitgain::nn
