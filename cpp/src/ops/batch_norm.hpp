// Batch normalisation over the columns of contiguous rows x cols matrices.
// Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
// internal covariate shift", ICML 2015.
//
// The team splits the columns at whole cache lines and no column needs another, so that no function
// here needs a barrier inside. gamma and beta may be null, which means 1 and 0.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y = gamma (x - mean) / sqrt(variance + epsilon) + beta with the batch's mean and biased variance;
// y may be x. moving = momentum moving + (1 - momentum) batch, for both, unless they are null.
// `mean`, what it lost in being rounded (`residual`), and `inverse_deviation` are kept for the
// gradient; `scale` is scratch for cols values.
// Without rows there are no statistics, and nothing is written.
template <class T>
void batch_norm_train(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const T* gamma, const T* beta, T epsilon, double momentum, T* moving_mean,
                      T* moving_variance, T* mean, T* residual, T* inverse_deviation, T* scale);

// The same with the moving statistics; `scale` is scratch for cols values.
template <class T>
void batch_norm_infer(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const T* gamma, const T* beta, T epsilon, const T* moving_mean,
                      const T* moving_variance, T* scale);

// With n = (x - mean - residual) inverse_deviation: beta_gradient = sum_i upstream, gamma_gradient
// = sum_i upstream n, gradient = gamma inverse_deviation (upstream - beta_gradient / rows - n
// gamma_gradient / rows). The gradient may be written over upstream, and is left out when null.
// `scratch` holds 3 cols values.
template <class T>
void batch_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, T* gradient,
                         Index rows, Index cols, const T* gamma, const T* mean, const T* residual,
                         const T* inverse_deviation, T* gamma_gradient, T* beta_gradient,
                         T* scratch);

}  // namespace unitgain::ops
