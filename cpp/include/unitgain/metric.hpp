// Metrics: what is summed up of a network's outputs and what they should be, beside the loss. The
// sums are doubles, added up over any number of batches; what they come to is for whoever asks.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "unitgain/loss.hpp"
#include "unitgain/rows/metric.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

// A metric of an embedding program's, or Python's. One thread calls it, after each batch, and
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
