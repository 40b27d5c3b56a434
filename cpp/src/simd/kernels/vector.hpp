// Level-1 linear algebra.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// Level-1 linear algebra on contiguous vectors. Every sum has a fixed number of partial sums, so
// that its bits depend on n and the variant alone.
template <class T>
struct VectorKernels {
  T (*dot)(const T* x, const T* y, Index n);
  // dots[i] = x[i] . y for four vectors x[0] ... x[3], reading y once.
  void (*dot4)(const T* const* x, const T* y, Index n, T* dots);
  // The largest |x_i|, 0 for n = 0, or NaN if any x_i is not finite.
  T (*max_abs)(const T* x, Index n);
  // sum_i (scale x_i)^2, added up in double precision.
  double (*sum_of_squares)(const T* x, Index n, double scale);
  void (*axpy)(T alpha, const T* x, T* y, Index n);  // y += alpha x
  // y += alpha x, returning the sum of the squares of the new y.
  T (*axpy_squares)(T alpha, const T* x, T* y, Index n);
  // y += alpha[0] x[0] + ... + alpha[3] x[3], reading and writing y once.
  void (*axpy4)(const T* alpha, const T* const* x, T* y, Index n);
  void (*scale)(T alpha, T* x, Index n);
  // Element by element, in place allowed. A NaN is the maximum, and the minimum.
  void (*add)(const T* x, const T* y, T* sum, Index n);
  void (*multiply)(const T* x, const T* y, T* product, Index n);
  void (*maximum)(const T* x, const T* y, T* larger, Index n);
  void (*minimum)(const T* x, const T* y, T* smaller, Index n);
  // counts_i += 1 where x_i is y_i, or NaN; and what those get of a gradient that they share:
  // upstream_i / counts_i, the others 0.
  void (*count_equal)(const T* x, const T* y, T* counts, Index n);
  void (*share_equal)(const T* x, const T* y, const T* counts, const T* upstream, T* gradient,
                      Index n);
  void (*rotate)(T* x, T* y, Index n, T c, T s);  // (x, y) = (c x - s y, s x + c y)
  // The same, with squares[0] and squares[1] the sums of the squares of the new x and the new y.
  void (*rotate_squares)(T* x, T* y, Index n, T c, T s, T* squares);
  // a_j -= x[0] weights[0][j] + x[1] weights[1][j] for columns a_0 ... that are `stride` apart, and
  // dots[j] = y . a_j.
  void (*turn_columns)(T* a, Index stride, Index n, Index columns, const T* const* x,
                       const T* const* weights, const T* y, T* dots);
  // sum = weights[0] a_0 + weights[1] a_1 + ...
  void (*combine_columns)(const T* a, Index stride, Index n, Index columns, const T* weights,
                          T* sum);
};

}  // namespace unitgain::simd
