// Softmax, log-softmax and the place of the largest.
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// Along rows, which are contiguous (row i starts at i * cols), or along an axis of `length` steps
// of `stride` elements, for `width` neighbours at once. In place allowed. An entry of -inf is
// masked: its probability is 0, and so is its gradient. A row with NaN or +inf, or with -inf alone,
// becomes NaN.
template <class T>
struct SoftmaxKernels {
  void (*softmax)(const T* x, T* y, Index rows, Index cols);
  // y = x - max - log1p(rest), rest being the sum of exp(x - max) without the maximum.
  void (*log_softmax)(const T* x, T* y, Index rows, Index cols);
  // gradient_j = y_j (upstream_j - sum_i upstream_i y_i), y being the softmax.
  void (*gradient)(const T* y, const T* upstream, T* gradient, Index rows, Index cols);
  // gradient_j = upstream_j - exp(y_j) sum_i upstream_i, y being the log-softmax.
  void (*log_gradient)(const T* y, const T* upstream, T* gradient, Index rows, Index cols);

  void (*softmax_axis)(const T* x, T* y, Index length, Index stride, Index width);
  void (*log_softmax_axis)(const T* x, T* y, Index length, Index stride, Index width);
  void (*gradient_axis)(const T* y, const T* upstream, T* gradient, Index length, Index stride,
                        Index width);
  void (*log_gradient_axis)(const T* y, const T* upstream, T* gradient, Index length, Index stride,
                            Index width);

  // indices[i] = numpy.argmax of row i.
  void (*argmax)(const T* x, Index rows, Index cols, std::int32_t* indices);
};

}  // namespace unitgain::simd
