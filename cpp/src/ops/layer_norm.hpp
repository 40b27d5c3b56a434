// Layer normalisation over the rows of contiguous rows x cols matrices.
// Source: Ba, Kiros and Hinton, "Layer normalization", 2016.
#pragma once

#include "ops/normalization.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y = gamma_j (x - mean_i) / sqrt(variance_i + epsilon) + beta_j with each row's mean and biased
// variance; y may be x. `kept` is for the gradient.
template <class T>
void layer_norm(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                const NormParameters<T>& parameters, const NormStatistics<T>& kept);

// The values that layer_norm_gradient needs as scratch.
Index layer_norm_scratch(Index rows, Index cols);

// With n = (x - mean_i) inverse_deviation_i and g = gamma_j upstream: gradients.x =
// inverse_deviation_i (g - mean_j g - n mean_j (g n)), .gamma_j = sum_i upstream n, .beta_j = sum_i
// upstream. Any of the three may be null and is left out; gradients.x may be upstream. The team
// meets inside.
template <class T>
void layer_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, Index rows,
                         Index cols, const T* gamma, const NormStatistics<const T>& kept,
                         const NormGradients<T>& gradients, T* scratch);

}  // namespace unitgain::ops
