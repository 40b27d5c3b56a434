// The epilogue of a product: operations on a tile of its result while that is still in cache.
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// Dropout's mask of a matrix: bit first + i * row_stride + j of `bits` says whether it keeps
// element (i, j), which is then multiplied by `scale`. A word beyond the last one is read.
template <class T>
struct DropoutMask {
  const std::uint64_t* bits;  // null: no dropout
  Index first;
  Index row_stride;
  T scale;
};

// Operations on a tile of C while it is still in L1, in this order:
//   c = c * scale[j] + bias[j]; z = c; y = dropout(activation(c)); c = c * derivative(saved);
//   column_sums[j] += sum_i c.
// Every pointer may be null (or the activation linear), which skips that step. Pointers are those
// of the tile's first element; per-column vectors start at the tile's first column.
template <class T>
struct TileEpilogue {
  const T* scale;  // one per column
  const T* bias;   // one per column
  ActivationSpec activation;
  DropoutMask<T> dropout;
  T* output;  // where the activated tile goes; null: in place, over C
  Index output_stride;
  const T*
      saved;  // what `derivative` is evaluated at (its output or its input, see activation.hpp)
  Index saved_stride;
  ActivationSpec derivative;
  T* column_sums;
};

}  // namespace unitgain::simd
