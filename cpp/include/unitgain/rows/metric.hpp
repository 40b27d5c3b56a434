// The kinds of metrics, each said once.
#pragma once

namespace unitgain {

// Whether the kind is the weighted mean of a value for each row, whose sums are: values times
// weights, and weights.
inline constexpr bool of_rows = true, of_batches = false;

// The name, whether ops/metric.cpp has a value for each row, and how many sums there are of a
// metric `spec` with `cols` columns:
//   loss                  a loss's value
//   equality              the share of outputs that are equal to their target
//   binary_accuracy       the share of outputs above the threshold where the target is 1, and not
//                         where it is 0
//   top_k                 1 where the class is among the k largest outputs
//   percentage_error      100 |t - y| / max(|t|, 1e-7), the mean over the row
//   logarithmic_error     (log(1 + max(y, 1e-7)) - log(1 + max(t, 1e-7)))^2, the mean over the row
//   cosine_similarity     of the row and its targets
//   pearson               the correlation of the row and its targets
//   concordance           Lin's coefficient of concordance
//   categorical_accuracy  the same sums, of 1 where the largest output is the class
//   confusion             for each threshold interval the weights of the positive and of the
//                         negative outputs that lie in it: those above i of the n sorted
//                         thresholds, for i = 0 .. n; positive ones first, and as many for each
//                         column with by_column
//   f_score               for each column the weights of true positives, false positives, false
//                         negatives and targets
//   r2                    the number of outputs; then for each column the sum of the weights, the
//                         targets' weighted mean and sum of squared distances from it, and the
//                         outputs' weighted squared errors
//   custom                what a CustomMetric adds
#define UNITGAIN_METRICS(ROW)                                                                     \
  ROW(loss, of_rows, 2)                                                                           \
  ROW(equality, of_rows, 2)                                                                       \
  ROW(binary_accuracy, of_rows, 2)                                                                \
  ROW(top_k, of_rows, 2)                                                                          \
  ROW(percentage_error, of_rows, 2)                                                               \
  ROW(logarithmic_error, of_rows, 2)                                                              \
  ROW(cosine_similarity, of_rows, 2)                                                              \
  ROW(pearson, of_rows, 2)                                                                        \
  ROW(concordance, of_rows, 2)                                                                    \
  ROW(categorical_accuracy, of_batches, 2)                                                        \
  ROW(confusion, of_batches, 2 * (std::ssize(spec.thresholds) + 1) * (spec.by_column ? cols : 1)) \
  ROW(f_score, of_batches, 4 * cols)                                                              \
  ROW(r2, of_batches, 1 + 4 * cols)                                                               \
  ROW(custom, of_batches, spec.custom_sums)

#define UNITGAIN_VALUE(kind, ...) kind,
enum class MetricKind : int { UNITGAIN_METRICS(UNITGAIN_VALUE) };
#undef UNITGAIN_VALUE

}  // namespace unitgain
