// Batch normalisation over the columns of contiguous rows x cols matrices.
// Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
// internal covariate shift", ICML 2015.
//
// The team splits the columns at whole cache lines and no column needs another, so that no function
// here needs a barrier inside.
#pragma once

#include "ops/normalization.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y = gamma (x - mean) / sqrt(variance + epsilon) + beta with the batch's mean and biased variance;
// y may be x. moving = momentum moving + (1 - momentum) batch, for both, unless they are null.
// `kept` is for the gradient; `scale` is scratch for cols values.
// Without rows there are no statistics, and nothing is written.
template <class T>
void batch_norm_train(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const NormParameters<T>& parameters, double momentum,
                      const MovingStatistics<T>& moving, const NormStatistics<T>& kept, T* scale);

// The same with the moving statistics; `scale` is scratch for cols values.
template <class T>
void batch_norm_infer(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const NormParameters<T>& parameters, const MovingStatistics<const T>& moving,
                      T* scale);

// With n = (x - mean - residual) inverse_deviation: gradients.beta = sum_i upstream, .gamma =
// sum_i upstream n, .x = gamma inverse_deviation (upstream - gradients.beta / rows - n
// gradients.gamma / rows), which may be written over upstream, and is left out when null.
// `scratch` holds 3 cols values.
template <class T>
void batch_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, Index rows,
                         Index cols, const T* gamma, const NormStatistics<const T>& kept,
                         const NormGradients<T>& gradients, T* scratch);

}  // namespace unitgain::ops
