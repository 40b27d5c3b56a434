// Batch normalisation with fixed statistics as one scale and one shift a column, for the epilogue
// of the product before it.
#pragma once

#include "ops/normalization.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// scale_j = gamma_j / sqrt(variance_j + epsilon); shift_j = (bias_j - mean_j) scale_j + beta_j, so
// that scale (x W) + shift is the normalised x W + bias. bias may be null: 0.
template <class T>
void fold_batch_norm(const runtime::Team& team, Index cols, const T* bias,
                     const NormParameters<T>& parameters, const MovingStatistics<const T>& moving,
                     T* scale, T* shift);

}  // namespace unitgain::ops
