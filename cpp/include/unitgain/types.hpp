// Plain types shared by the public API and the kernels. No inline function may be added here: the
// kernels' sources include this file under flags for newer CPUs (see docs/kernels.md).
#pragma once

#include <cstdint>

namespace unitgain {

using Index = std::int64_t;

// A matrix in memory that somebody else owns: element (i, j) is data[i * row_stride + j *
// col_stride]. Strides count elements and may be zero or negative.
template <class T>
struct MatrixView {
  T* data;
  Index rows;
  Index cols;
  Index row_stride;
  Index col_stride;
};

// How exact the products of float32 matrices are, PyTorch's vocabulary. highest: the error bound of
// sums in float32 arithmetic, for every finite input; high: about 4e-6 relative to the magnitudes
// multiplied; medium: operands rounded to bfloat16, sums in float32. A machine may do better than
// asked for, where that is faster.
enum class Precision : int { highest, high, medium };
inline constexpr int precision_count = 3;

// general_relu is relu with parameters other than its defaults (see activation.hpp).
enum class Activation : int {
  linear,
  relu,
  leaky_relu,
  elu,
  selu,
  sigmoid,
  tanh,
  silu,
  step,
  general_relu,
  relu6,
  celu,
  gelu,
  gelu_tanh,
  hard_sigmoid,
  softplus,
  log_sigmoid,
  softsign,
  hard_silu,
  mish,
  exponential
};
inline constexpr int activation_count = 21;

// An activation with its parameters, in the order of activation_info(kind).parameter_names.
struct ActivationSpec {
  Activation kind;
  double parameters[3];
};

// Random numbers of layers in training: values to drop, or numbers to add or to multiply by.
enum class Noise : int { dropout, alpha_dropout, gaussian_noise, gaussian_dropout, rrelu };
inline constexpr int noise_count = 5;

// Noise with its parameters: a rate; of gaussian_noise the standard deviation; of rrelu the lowest
// and the highest slope.
struct NoiseSpec {
  Noise kind;
  double parameters[2];
};

enum class LossKind : int {
  sparse_categorical_crossentropy,
  categorical_crossentropy,
  binary_crossentropy,
  mean_squared_error,
  mean_absolute_error,
  huber,
  log_cosh,
  gaussian_nll,
  poisson,
  kl_divergence,
  hinge,
  squared_hinge,
  categorical_hinge,
  quantile,
  binary_focal_crossentropy,
  cosine_similarity,
  // What a CustomLoss computes, of target values, of class labels, or of one value for each row.
  custom,
  custom_of_labels,
  custom_of_column,
};
inline constexpr int kernel_loss_count = 16;  // those that have a kernel: the first
inline constexpr int loss_count = 19;

// How the losses of the rows become one number. mean: their sum, with the samples' weights, over
// the number of rows; weighted_mean: over the sum of the weights. A row whose label is ignored does
// not count in either.
enum class Reduction : int { mean, weighted_mean, sum, none };

// A loss with its parameters.
struct LossSpec {
  LossKind kind;
  Reduction reduction;
  bool from_logits;           // cross-entropies: the outputs are logits, not probabilities
  double label_smoothing;     // categorical and binary cross-entropy
  bool ignores_class;         // sparse cross-entropy: rows of one label have no loss
  std::int32_t ignore_class;  // that label
  double delta;               // huber: where the square ends
  bool full;                  // gaussian_nll: with the constant log(2 pi) / 2
  bool log_variance;          // gaussian_nll: the outputs are logarithms of variances
  double epsilon;             // gaussian_nll: the least variance
  double quantile;            // quantile: which one the outputs are
  double gamma;               // focal: the power of the probability that is missing
  bool balances_classes;      // focal: whether targets of 1 weigh alpha, of 0 1 - alpha
  double alpha;
};

}  // namespace unitgain
