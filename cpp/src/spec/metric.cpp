#include "unitgain/metric.hpp"

#include <algorithm>
#include <string>

#include "unitgain/error.hpp"
#include "unitgain/loss.hpp"

namespace unitgain {

namespace {

// In the order of MetricKind.
constexpr const char* names[metric_count] = {
    "loss",
    "equality",
    "binary_accuracy",
    "top_k",
    "percentage_error",
    "logarithmic_error",
    "cosine_similarity",
    "pearson",
    "concordance",
    "categorical_accuracy",
    "confusion",
    "f_score",
    "r2",
    "custom",
};

void check_confusion(const MetricSpec& spec, Index cols) {
  if (spec.thresholds.empty()) throw ValueError("thresholds must not be empty");
  if (!std::is_sorted(spec.thresholds.begin(), spec.thresholds.end())) {
    throw ValueError("thresholds must be sorted");
  }
  if (spec.class_id >= cols) {
    throw ValueError("class_id is " + std::to_string(spec.class_id) + ", but the outputs have " +
                     std::to_string(cols) + " columns");
  }
  const auto weights = static_cast<Index>(spec.column_weights.size());
  if (weights != 0 && weights != cols) {
    throw ValueError("label_weights has " + std::to_string(weights) +
                     " values, but the outputs have " + std::to_string(cols) + " columns");
  }
}

}  // namespace

MetricKind metric_kind(std::string_view name) {
  for (int i = 0; i < metric_count; ++i) {
    if (name == names[i]) return static_cast<MetricKind>(i);
  }
  std::string message = "metric is '";
  message.append(name).append("', expected one of");
  for (const char* known : names) message.append(" ").append(known);
  throw ValueError(message);
}

Index metric_sums(const MetricSpec& spec, Index cols) {
  switch (spec.kind) {
    case MetricKind::confusion:
      return 2 * static_cast<Index>(spec.thresholds.size() + 1) * (spec.by_column ? cols : 1);
    case MetricKind::f_score:
      return 4 * cols;
    case MetricKind::r2:
      return 1 + 4 * cols;
    case MetricKind::custom:
      return spec.custom_sums;
    default:
      return 2;
  }
}

void check_metric(const MetricSpec& spec, Index cols) {
  if (cols < 1) throw ValueError("the outputs have no values");
  if (spec.kind == MetricKind::loss) {
    check_loss(spec.loss, cols);
    if (target_cols(spec.loss, 2) != 2 || !has_kernel(spec.loss))
      throw ValueError("the loss is no metric");
  }
  if (spec.k < 0 || (spec.kind == MetricKind::top_k && spec.k < 1)) {
    throw ValueError("k must be at least 1, but it is " + std::to_string(spec.k));
  }
  if (spec.kind == MetricKind::confusion) check_confusion(spec, cols);
  if (spec.kind == MetricKind::custom && spec.custom == nullptr) {
    throw ValueError("a custom metric needs an object that computes it");
  }
}

}  // namespace unitgain
