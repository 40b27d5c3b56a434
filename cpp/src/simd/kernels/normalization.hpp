// Batch normalisation and layer normalisation.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// Columns of a rows x cols matrix: the statistics and the transforms of batch normalisation. A
// column's result depends on that column and on `rows` alone, and the error of a sum does not grow
// with them.
template <class T>
struct ColumnKernels {
  // sums[j] = sum_i x_ij.
  void (*sum)(const T* x, Index row_stride, Index rows, Index cols, T* sums);
  // Mean and biased variance of each column, rows > 0. `residual` is what the mean loses in being
  // rounded to T, which matters when it is large against the deviation.
  void (*moments)(const T* x, Index row_stride, Index rows, Index cols, T* mean, T* residual,
                  T* variance);
  // inverse_deviation = 1 / sqrt(variance + epsilon), scale = gamma * inverse_deviation and shift =
  // beta - residual * scale. gamma (1), beta (0) and residual (0) may be null. The outputs may be
  // written over the inputs, and scale over inverse_deviation if only scale is wanted.
  void (*prepare_normalize)(Index cols, const T* residual, const T* variance, const T* gamma,
                            const T* beta, T epsilon, T* inverse_deviation, T* scale, T* shift);
  // average = average * momentum + value * (1 - momentum).
  void (*move_average)(T* average, const T* value, Index cols, T momentum, T one_minus_momentum);
  // y = (x - mean_j) * scale_j + shift_j, in place allowed.
  void (*normalize)(const T* x, Index x_stride, T* y, Index y_stride, Index rows, Index cols,
                    const T* mean, const T* scale, const T* shift);
  // sum_upstream[j] = sum_i upstream_ij; sum_product[j] = sum_i upstream_ij (x_ij - mean_j -
  // residual_j) inv_std_j.
  void (*normalize_gradient_sums)(const T* x, Index x_stride, const T* upstream,
                                  Index upstream_stride, Index rows, Index cols, const T* mean,
                                  const T* residual, const T* inverse_deviation, T* sum_upstream,
                                  T* sum_product);
  // Inputs of normalize_gradient: factor = gamma * inverse_deviation (gamma may be null: 1), and
  // the sums divided by rows.
  void (*prepare_normalize_gradient)(Index cols, Index rows, const T* gamma,
                                     const T* inverse_deviation, const T* sum_upstream,
                                     const T* sum_product, T* factor, T* mean_upstream,
                                     T* mean_product);
  // gradient = factor_j (upstream - mean_upstream_j - (x - mean_j - residual_j) inv_std_j
  // mean_product_j). In place over upstream or x allowed.
  void (*normalize_gradient)(const T* x, Index x_stride, const T* upstream, Index upstream_stride,
                             T* gradient, Index gradient_stride, Index rows, Index cols,
                             const T* mean, const T* residual, const T* inverse_deviation,
                             const T* factor, const T* mean_upstream, const T* mean_product);
};

// Layer normalisation: rows of a contiguous rows x cols matrix, cols > 0. A row's result depends on
// that row and the parameters alone.
template <class T>
struct RowKernels {
  // With the row's mean and biased variance: y = (x - mean) inverse_deviation gamma_j + beta_j,
  // inverse_deviation = 1 / sqrt(variance + epsilon). gamma (1) and beta (0) may be null. Mean
  // (with what it lost in being rounded) and inverse_deviation are kept for the gradient. In place
  // allowed.
  void (*normalize)(const T* x, T* y, Index rows, Index cols, const T* gamma, const T* beta,
                    T epsilon, T* mean, T* residual, T* inverse_deviation);
  // With n = (x - mean - residual) inverse_deviation and g = upstream gamma_j: gradient =
  // inverse_deviation (g - mean_j g - n mean_j (g n)). In place over upstream or x allowed.
  void (*gradient)(const T* x, const T* upstream, T* gradient, Index rows, Index cols,
                   const T* gamma, const T* mean, const T* residual, const T* inverse_deviation);
  // sum_product[j] = sum_i upstream_ij n_ij, sum_upstream[j] = sum_i upstream_ij.
  void (*parameter_sums)(const T* x, const T* upstream, Index rows, Index cols, const T* mean,
                         const T* residual, const T* inverse_deviation, T* sum_product,
                         T* sum_upstream);
};

}  // namespace unitgain::simd
