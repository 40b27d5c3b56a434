// Penalties and constraints of weights.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// gradient = (g + l1 sign(w) + 2 l2 w + sum) * scale, sign(0) = 0.
template <class T>
struct PenaltyArrays {
  const T* w;
  const T* g;
  const T* sum;  // null: 0
  T* gradient;   // may equal g or sum
};
template <class T>
struct PenaltyFactors {
  T l1;
  T l2;
  T scale;
};

// Penalties and constraints of weights.
template <class T>
struct WeightKernels {
  // sums[0] = sum_i |w_i| and sums[1] = sum_i w_i^2, added up in double precision.
  void (*magnitudes)(const T* w, Index n, double* sums);
  void (*penalize)(const PenaltyArrays<T>& arrays, Index n, const PenaltyFactors<T>& factors);
  void (*non_negative)(T* w, Index n);  // w = max(w, 0), and a NaN remains
  // squares[j] = sum_i w_ij^2. A column's depends on that column and on `rows` alone.
  void (*column_squares)(const T* w, Index row_stride, Index rows, Index cols, T* squares);
  void (*scale_columns)(T* w, Index row_stride, Index rows, Index cols, const T* factors);
};

}  // namespace unitgain::simd
