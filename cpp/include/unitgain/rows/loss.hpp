// The losses and their parameters, each said once: the enumeration, names, defaults, ranges, the
// kernels' table and what Python passes follow from these rows. The kernels' sources include this
// file, so it holds no function (see docs/kernels.md).
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain {

// The kind of targets: target values; class labels; or target values that are -1 and
// 1, for which a batch may have 0 and 1.
enum LossTargets : int { of_targets, of_labels, of_signs };

// Those with a kernel: the name, and its targets.
#define UNITGAIN_LOSSES(ROW)                      \
  ROW(sparse_categorical_crossentropy, of_labels) \
  ROW(categorical_crossentropy, of_targets)       \
  ROW(binary_crossentropy, of_targets)            \
  ROW(mean_squared_error, of_targets)             \
  ROW(mean_absolute_error, of_targets)            \
  ROW(huber, of_targets)                          \
  ROW(log_cosh, of_targets)                       \
  ROW(gaussian_nll, of_targets)                   \
  ROW(poisson, of_targets)                        \
  ROW(kl_divergence, of_targets)                  \
  ROW(hinge, of_signs)                            \
  ROW(squared_hinge, of_signs)                    \
  ROW(categorical_hinge, of_targets)              \
  ROW(quantile, of_targets)                       \
  ROW(binary_focal_crossentropy, of_targets)      \
  ROW(cosine_similarity, of_targets)

// The kinds of CustomLoss: of target values, of class labels, or of one value for each row.
#define UNITGAIN_CUSTOM_LOSSES(ROW) \
  ROW(custom, of_targets)           \
  ROW(custom_of_labels, of_labels)  \
  ROW(custom_of_column, of_targets)

// Type, name, default, and what it must be:
//   from_logits       of cross-entropies: the outputs are logits, not probabilities
//   label_smoothing   of categorical and binary cross-entropies
//   delta             huber: where the square ends
//   full              gaussian_nll: with the constant log(2 pi) / 2
//   log_variance      gaussian_nll: the outputs are logarithms of variances
//   eps               gaussian_nll: the least variance
//   quantile          which one the outputs are
//   gamma             focal: the power of the probability that is missing
//   balances_classes  focal: whether targets of 1 weigh alpha, of 0 1 - alpha
#define UNITGAIN_LOSS_PARAMETERS(ROW)            \
  ROW(bool, from_logits, false, any)             \
  ROW(double, label_smoothing, 0.0, from_0_to_1) \
  ROW(double, delta, 1.0, above_0)               \
  ROW(bool, full, false, any)                    \
  ROW(bool, log_variance, false, any)            \
  ROW(double, eps, 1e-6, above_0)                \
  ROW(double, quantile, 0.5, between_0_and_1)    \
  ROW(double, gamma, 2.0, at_least_0)            \
  ROW(bool, balances_classes, false, any)        \
  ROW(double, alpha, 0.25, from_0_to_1)

#define UNITGAIN_VALUE(kind, ...) kind,
#define UNITGAIN_ONE(...) +1
#define UNITGAIN_MEMBER(type, name, ...) type name;

enum class LossKind : int {
  UNITGAIN_LOSSES(UNITGAIN_VALUE) UNITGAIN_CUSTOM_LOSSES(UNITGAIN_VALUE)
};
inline constexpr int kernel_loss_count = UNITGAIN_LOSSES(UNITGAIN_ONE);

// How the losses of the rows become one number. mean: their sum, with the samples' weights, over
// the number of rows; weighted_mean: over the sum of the weights. A row whose label is ignored does
// not count in either.
enum class Reduction : int { mean, weighted_mean, sum, none };

// A loss with its parameters.
struct LossSpec {
  LossKind kind;
  Reduction reduction;
  bool ignores_class;         // sparse cross-entropy: rows of one label have no loss
  std::int32_t ignore_class;  // that label
  UNITGAIN_LOSS_PARAMETERS(UNITGAIN_MEMBER)
};

#undef UNITGAIN_VALUE
#undef UNITGAIN_ONE
#undef UNITGAIN_MEMBER

}  // namespace unitgain
