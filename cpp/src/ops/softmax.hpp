// Softmax and log-softmax along an axis of a contiguous array, seen as (outer, axis_length, inner).
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y = exp(x) divided by its sum along the axis; may be written over x. An entry of -inf gets
// probability 0; where NaN or +inf, or -inf alone, stands along the axis there is no softmax, and
// the result is NaN.
template <class T>
void softmax(const runtime::Team& team, const T* x, T* y, Index outer, Index axis_length,
             Index inner = 1);

// y = log(softmax(x)) to a few ulp of the largest term, -inf where x is.
template <class T>
void log_softmax(const runtime::Team& team, const T* x, T* y, Index outer, Index axis_length,
                 Index inner = 1);

// gradient_k = y_k (upstream_k - sum_i upstream_i y_i), y being the softmax. The gradient may be
// written over y or upstream.
template <class T>
void softmax_gradient(const runtime::Team& team, const T* y, const T* upstream, T* gradient,
                      Index outer, Index axis_length, Index inner = 1);

// gradient_k = upstream_k - exp(y_k) sum_i upstream_i, y being the log-softmax; 0 where y is -inf,
// whose upstream does not count. May be written over y or upstream.
template <class T>
void log_softmax_gradient(const runtime::Team& team, const T* y, const T* upstream, T* gradient,
                          Index outer, Index axis_length, Index inner = 1);

// Their cost in nanoseconds on one thread, roughly: for runtime::threads_for.
double softmax_work(Index outer, Index axis_length, Index inner = 1);

}  // namespace unitgain::ops
