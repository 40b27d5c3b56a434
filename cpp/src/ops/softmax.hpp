// Softmax over the contiguous rows of a matrix.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y_ij = exp(x_ij) / sum_k exp(x_ik); y may be x. An entry of -inf gets probability 0; a row with
// NaN or +inf, or with -inf alone, has no softmax and becomes NaN.
template <class T>
void softmax(const runtime::Team& team, const T* x, T* y, Index rows, Index cols);

// gradient_ij = y_ij (upstream_ij - sum_k upstream_ik y_ik), y being the softmax. The gradient may
// be written over y or upstream.
template <class T>
void softmax_gradient(const runtime::Team& team, const T* y, const T* upstream, T* gradient,
                      Index rows, Index cols);

}  // namespace unitgain::ops
