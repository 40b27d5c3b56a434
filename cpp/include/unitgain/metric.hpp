// Metrics: what is summed up of a network's outputs and what they should be, beside the loss. The
// sums are doubles, added up over any number of batches; what they come to is for whoever asks.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "unitgain/loss.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

enum class MetricKind : int {
  // A value for each row, whose sums are: values times weights, and weights.
  loss,               // a loss's
  equality,           // the share of outputs that are equal to their target
  binary_accuracy,    // the share of outputs above the threshold where the target is 1, and not
                      // where it is 0
  top_k,              // 1 where the class is among the k largest outputs
  percentage_error,   // 100 |t - y| / max(|t|, 1e-7), the mean over the row
  logarithmic_error,  // (log(1 + max(y, 1e-7)) - log(1 + max(t, 1e-7)))^2, the mean over the row
  cosine_similarity,  // of the row and its targets
  pearson,            // the correlation of the row and its targets
  concordance,        // Lin's coefficient of concordance
  // The same sums, of 1 where the largest output is the class.
  categorical_accuracy,
  // For each threshold interval the weights of the positive and of the negative outputs that lie in
  // it: those above i of the n sorted thresholds, for i = 0 .. n; 2 (n + 1) sums, positive ones
  // first, and as many for each column with by_column.
  confusion,
  // For each column the weights of true positives, false positives, false negatives and targets.
  f_score,
  // The number of outputs; then for each column the sum of the weights, the targets' weighted mean
  // and sum of squared distances from it, and the outputs' weighted squared errors.
  r2,
  custom,  // what a CustomMetric adds
};
inline constexpr int metric_count = 14;

// What an embedding program, or Python, sums up itself. One thread calls it, after each batch, and
// what it throws ends the pass; it must not use the network.
class CustomMetric {
 public:
  virtual ~CustomMetric() = default;
  virtual void reset() = 0;                                         // before a pass
  virtual void update(const OutputBatch& batch, double* sums) = 0;  // of MetricSpec::custom_sums
};

// A metric with its parameters.
struct MetricSpec {
  MetricKind kind = MetricKind::categorical_accuracy;
  bool takes_labels = false;  // class labels; target values otherwise
  bool weighted = false;      // whether the samples' weights count
  LossSpec loss = {};         // of kind loss
  double threshold = 0.5;     // binary_accuracy, f_score
  // top_k; f_score: 0 compares with the threshold, 1 with the row's largest; confusion: outputs
  // beyond the k largest of their row are -1e10, 0: none are.
  Index k = 0;
  // Of confusion alone.
  std::vector<double> thresholds = {};      // ascending
  Index class_id = -1;                      // the one column that counts; -1: all do
  bool by_column = false;                   // sums for each column
  bool from_logits = false;                 // the outputs' sigmoids are compared
  bool clips = false;                       // the outputs are clipped to [0, 1]
  std::vector<double> column_weights = {};  // further factors of the weights; none: 1

  std::shared_ptr<CustomMetric> custom = nullptr;
  Index custom_sums = 0;
};

// The kind of that name. Throws ValueError for an unknown name.
MetricKind metric_kind(std::string_view name);

// How many sums a metric of so many columns has.
Index metric_sums(const MetricSpec& spec, Index cols);

// Throws ValueError unless the parameters are in their ranges and go with outputs of so many
// columns.
void check_metric(const MetricSpec& spec, Index cols);

}  // namespace unitgain
