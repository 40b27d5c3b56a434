// Layer normalisation over the rows of contiguous rows x cols matrices.
// Source: Ba, Kiros and Hinton, "Layer normalization", 2016.
//
// gamma and beta may be null, which means 1 and 0.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y = gamma_j (x - mean_i) / sqrt(variance_i + epsilon) + beta_j with each row's mean and biased
// variance; y may be x. mean, residual (what the mean lost in being rounded) and inverse_deviation
// are one value a row, kept for the gradient.
template <class T>
void layer_norm(const runtime::Team& team, const T* x, T* y, Index rows, Index cols, const T* gamma,
                const T* beta, T epsilon, T* mean, T* residual, T* inverse_deviation);

// The values that layer_norm_gradient needs as scratch.
Index layer_norm_scratch(Index rows, Index cols);

// With n = (x - mean_i) inverse_deviation_i and g = gamma_j upstream: gradient =
// inverse_deviation_i (g - mean_j g - n mean_j (g n)), gamma_gradient_j = sum_i upstream n,
// beta_gradient_j = sum_i upstream. Any of the three may be null and is left out; the gradient may
// be written over upstream. The team meets inside.
template <class T>
void layer_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, T* gradient,
                         Index rows, Index cols, const T* gamma, const T* mean, const T* residual,
                         const T* inverse_deviation, T* gamma_gradient, T* beta_gradient,
                         T* scratch);

}  // namespace unitgain::ops
