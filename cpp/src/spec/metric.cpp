#include "unitgain/metric.hpp"

#include <algorithm>
#include <iterator>
#include <string>

#include "spec/unknown_name.hpp"
#include "unitgain/error.hpp"
#include "unitgain/loss.hpp"

namespace unitgain {

namespace {

constexpr std::string_view names[] = {
#define UNITGAIN_NAME(kind, ...) #kind,
    UNITGAIN_METRICS(UNITGAIN_NAME)
#undef UNITGAIN_NAME
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
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) throw ValueError(spec::unknown_name("metric", name, names));
  return static_cast<MetricKind>(found - std::begin(names));
}

Index metric_sums(const MetricSpec& spec, Index cols) {
  switch (spec.kind) {
#define UNITGAIN_SUMS(kind, rows, sums) \
  case MetricKind::kind:                \
    return sums;
    UNITGAIN_METRICS(UNITGAIN_SUMS)
#undef UNITGAIN_SUMS
  }
  return 0;
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
