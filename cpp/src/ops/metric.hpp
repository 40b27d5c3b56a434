// The sums of metrics over a batch: values of rows, computed by a team, and sums over the rows in
// an order that is always the same, by one thread.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/metric.hpp"

namespace unitgain::ops {

// Contiguous rows of outputs with what they should be.
template <class T>
struct MetricRows {
  const T* outputs;
  const T* targets;  // as many as the outputs; null: there are labels
  // One a row; those that are no class are not read.
  const std::int32_t* labels;
  // For those that need_classes: of the largest output, and the label or that of the largest
  // target.
  const std::int32_t* predicted;
  const std::int32_t* expected;
  Index rows, cols;
};

// Whether a metric is the mean of the values that metric_values() writes.
bool has_row_values(const MetricSpec& spec);
// Whether it reads predicted and expected.
bool needs_predicted(const MetricSpec& spec);
bool needs_expected(const MetricSpec& spec);

// This thread's part of the rows' values; NaN for a label that is no class.
template <class T>
void metric_values(const runtime::Team& team, const MetricSpec& spec, const MetricRows<T>& rows,
                   double* values);

// Adds a batch to the sums. `values` are those of metric_values(), null if there are none;
// `weights` are one a row, null: 1. Not for custom ones.
template <class T>
void add_metric(const MetricSpec& spec, const MetricRows<T>& rows, const double* values,
                const double* weights, double* sums);

}  // namespace unitgain::ops
