#include "unitgain/metric.hpp"

#include <algorithm>
#include <string>

#include "spec/rows.hpp"
#include "unitgain/error.hpp"
#include "unitgain/loss.hpp"

namespace unitgain {

namespace {

struct Row {
  MetricKind kind;
  const char* name;
};

constexpr Row rows[metric_count] = {
    {MetricKind::loss, "loss"},
    {MetricKind::equality, "equality"},
    {MetricKind::binary_accuracy, "binary_accuracy"},
    {MetricKind::top_k, "top_k"},
    {MetricKind::percentage_error, "percentage_error"},
    {MetricKind::logarithmic_error, "logarithmic_error"},
    {MetricKind::cosine_similarity, "cosine_similarity"},
    {MetricKind::pearson, "pearson"},
    {MetricKind::concordance, "concordance"},
    {MetricKind::categorical_accuracy, "categorical_accuracy"},
    {MetricKind::confusion, "confusion"},
    {MetricKind::f_score, "f_score"},
    {MetricKind::r2, "r2"},
    {MetricKind::custom, "custom"},
};
static_assert(spec::in_order(rows));

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
  for (const Row& row : rows) {
    if (name == row.name) return row.kind;
  }
  std::string message = "metric is '";
  message.append(name).append("', expected one of");
  for (const Row& row : rows) message.append(" ").append(row.name);
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
