#include "ops/metric.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/loss.hpp"
#include "simd/kernels/loss.hpp"
#include "unitgain/loss.hpp"

namespace unitgain::ops {

namespace {

constexpr Index row_grain = 16;   // the results of two parts share no cache line
constexpr double epsilon = 1e-7;  // Keras's

// The mean of value(output, target) over each row.
template <class T, class Value>
void means(const MetricRows<T>& rows, runtime::Range part, double* values, Value&& value) {
  for (Index i = part.begin; i < part.end; ++i) {
    const T *y = rows.outputs + i * rows.cols, *t = rows.targets + i * rows.cols;
    double sum = 0;
    for (Index j = 0; j < rows.cols; ++j) {
      sum += value(static_cast<double>(y[j]), static_cast<double>(t[j]));
    }
    values[i] = sum / static_cast<double>(rows.cols);
  }
}

// If all of a batch's targets are 0 or 1, 0 stands for -1.
template <class T>
void hinges(const MetricRows<T>& rows, runtime::Range part, bool squared, double* values) {
  const bool binary = are_binary(rows.targets, rows.rows * rows.cols);
  means(rows, part, values, [=](double y, double t) {
    const double gap = 1 - (binary ? 2 * t - 1 : t) * y;
    const double loss = gap < 0 ? 0.0 : gap;
    return squared ? loss * loss : loss;
  });
}

template <class T>
bool is_class(const MetricRows<T>& rows, Index row) {
  return rows.labels[row] >= 0 && rows.labels[row] < rows.cols;
}

bool is_ignored(const MetricSpec& spec, std::int32_t label) {
  return spec.loss.ignores_class && label == spec.loss.ignore_class;
}

// Runs a kernel on some of the rows.
template <class T>
void run_kernel(simd::LossKernel<T> kernel, const LossSpec& spec, const MetricRows<T>& rows,
                runtime::Range part, double* values) {
  simd::LossRows<T> given{};
  given.outputs = rows.outputs + part.begin * rows.cols;
  if (rows.targets != nullptr) given.targets = rows.targets + part.begin * rows.cols;
  if (rows.labels != nullptr) given.labels = rows.labels + part.begin;
  given.rows = part.size();
  given.cols = rows.cols;
  given.row_losses = values + part.begin;
  kernel(spec, given);
}

template <class T>
void losses(const MetricSpec& spec, const MetricRows<T>& rows, runtime::Range part,
            double* values) {
  const auto kernel = runtime::family<simd::LossKernels<T>>().row[static_cast<int>(spec.loss.kind)];
  if (rows.labels == nullptr) return run_kernel(kernel, spec.loss, rows, part, values);
  // Kernels take for granted that labels are classes.
  for (Index i = part.begin; i < part.end;) {
    if (!is_class(rows, i)) {
      values[i] = is_ignored(spec, rows.labels[i]) ? 0 : std::numeric_limits<double>::quiet_NaN();
      ++i;
      continue;
    }
    Index end = i + 1;
    while (end < part.end && is_class(rows, end)) ++end;
    run_kernel(kernel, spec.loss, rows, {i, end}, values);
    i = end;
  }
}

template <class T>
void binary_accuracies(const MetricSpec& spec, const MetricRows<T>& rows, runtime::Range part,
                       double* values) {
  LossSpec threshold{};
  threshold.delta = spec.threshold;
  run_kernel(runtime::family<simd::LossKernels<T>>().binary_accuracy, threshold, rows, part,
             values);
}

// 1 where fewer than k outputs are larger than that of the class; NaN is larger than any number,
// and a class whose output is NaN is not among them.
template <class T>
void top_k(const MetricSpec& spec, const MetricRows<T>& rows, runtime::Range part, double* values) {
  for (Index i = part.begin; i < part.end; ++i) {
    const T* y = rows.outputs + i * rows.cols;
    const std::int32_t expected = rows.expected[i];
    values[i] = 0;
    if (expected < 0 || expected >= rows.cols) continue;
    const T own = y[expected];
    if (own != own) continue;
    Index larger = 0;
    for (Index j = 0; j < rows.cols; ++j) larger += y[j] <= own ? 0 : 1;
    values[i] = larger < spec.k ? 1 : 0;
  }
}

// value(moments) of each row, with the means, variances and covariance of outputs and targets.
struct Moments {
  double output = 0, target = 0, output_variance = 0, target_variance = 0, covariance = 0;
};
template <class T, class Value>
void of_moments(const MetricRows<T>& rows, runtime::Range part, double* values, Value&& value) {
  const auto n = static_cast<double>(rows.cols);
  for (Index i = part.begin; i < part.end; ++i) {
    const T *y = rows.outputs + i * rows.cols, *t = rows.targets + i * rows.cols;
    Moments m;
    for (Index j = 0; j < rows.cols; ++j) {
      m.output += static_cast<double>(y[j]) / n;
      m.target += static_cast<double>(t[j]) / n;
    }
    for (Index j = 0; j < rows.cols; ++j) {
      const double dy = static_cast<double>(y[j]) - m.output;
      const double dt = static_cast<double>(t[j]) - m.target;
      m.output_variance += dy * dy / n;
      m.target_variance += dt * dt / n;
      m.covariance += dy * dt / n;
    }
    values[i] = value(m);
  }
}

// Each divided by its norm, but at most multiplied by 1e7, as Keras has it.
template <class T>
void cosines(const MetricRows<T>& rows, runtime::Range part, double* values) {
  for (Index i = part.begin; i < part.end; ++i) {
    const T *y = rows.outputs + i * rows.cols, *t = rows.targets + i * rows.cols;
    double yy = 0, tt = 0, yt = 0;
    for (Index j = 0; j < rows.cols; ++j) {
      const auto a = static_cast<double>(y[j]), b = static_cast<double>(t[j]);
      yy += a * a;
      tt += b * b;
      yt += a * b;
    }
    const double y_factor = std::min(1 / std::sqrt(yy), 1 / epsilon);
    const double t_factor = std::min(1 / std::sqrt(tt), 1 / epsilon);
    values[i] = yt * y_factor * t_factor;
  }
}

void add_mean(const double* values, const double* weights, Index rows, double* sums) {
  const auto sum = runtime::kernel_table().weighted_sum;
  sums[0] += sum(values, weights, rows);
  sums[1] += weights == nullptr ? static_cast<double>(rows) : sum(weights, nullptr, rows);
}

// Rows whose label is ignored do not count.
template <class T>
void add_without_ignored(const MetricSpec& spec, const MetricRows<T>& rows, const double* values,
                         const double* weights, double* sums) {
  for (Index i = 0; i < rows.rows; ++i) {
    if (is_ignored(spec, rows.labels[i])) continue;
    const double weight = weights == nullptr ? 1.0 : weights[i];
    sums[0] += weight * values[i];
    sums[1] += weight;
  }
}

template <class T>
void add_matches(const MetricRows<T>& rows, const double* weights, double* sums) {
  if (weights == nullptr) {
    Index equal = 0;
    for (Index i = 0; i < rows.rows; ++i) equal += rows.predicted[i] == rows.expected[i] ? 1 : 0;
    sums[0] += static_cast<double>(equal);
    sums[1] += static_cast<double>(rows.rows);
    return;
  }
  for (Index i = 0; i < rows.rows; ++i) {
    if (rows.predicted[i] == rows.expected[i]) sums[0] += weights[i];
    sums[1] += weights[i];
  }
}

// How many of the thresholds, as T has them, a value is above; NaN is above none.
template <class T>
class Intervals {
 public:
  explicit Intervals(const std::vector<double>& thresholds)
      : thresholds_(thresholds.data()), count_(static_cast<Index>(thresholds.size())) {
    const double range = thresholds.back() - thresholds.front();
    low_ = static_cast<T>(thresholds.front());
    scale_ = range > 0 ? static_cast<T>(static_cast<double>(count_ - 1) / range) : T{0};
  }
  Index operator()(T value) const {
    // Right for thresholds at even distances, up to rounding.
    const T guess = (value - low_) * scale_;
    if (guess >= T{0} && guess < static_cast<T>(count_)) {
      const auto below = static_cast<Index>(guess);
      if (fits(value, below + 1)) return below + 1;
      if (fits(value, below)) return below;
    }
    Index low = 0, high = count_;
    while (low < high) {
      const Index middle = (low + high) / 2;
      if (is_above(value, middle)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

 private:
  bool is_above(T value, Index i) const { return value > static_cast<T>(thresholds_[i]); }
  bool fits(T value, Index above) const {
    return above <= count_ && (above == 0 || is_above(value, above - 1)) &&
           (above == count_ || !is_above(value, above));
  }
  const double* thresholds_;
  Index count_;
  T low_, scale_;
};

// The k-th largest of a row, the first of equals first. NaN is not among them.
template <class T>
struct Place {
  T value;
  Index index;
  bool includes(T other, Index at) const {
    return other > value || (other == value && at <= index);
  }
};
template <class T>
Place<T> place_of(const T* row, Index cols, Index k) {
  Place<T> last{std::numeric_limits<T>::infinity(), -1};
  for (Index found = 0; found < k; ++found) {
    Place<T> next{-std::numeric_limits<T>::infinity(), cols};
    for (Index j = 0; j < cols; ++j) {
      if (last.includes(row[j], j) || row[j] != row[j]) continue;
      if (next.index == cols || row[j] > next.value) next = {row[j], j};
    }
    last = next;
  }
  return last;
}

// The form in which an output is compared.
template <class T>
T compared(const MetricSpec& spec, T y) {
  if (spec.from_logits) y = static_cast<T>(1 / (1 + std::exp(-static_cast<double>(y))));
  return spec.clips ? std::clamp(y, T{0}, T{1}) : y;
}

template <class T>
void add_confusion(const MetricSpec& spec, const MetricRows<T>& rows, const double* weights,
                   double* sums) {
  constexpr T out_of_place = static_cast<T>(-1e10);
  const Intervals<T> interval(spec.thresholds);
  const auto intervals = static_cast<Index>(spec.thresholds.size()) + 1;
  const bool places = spec.k > 0 && spec.k < rows.cols;
  const Index begin = std::max<Index>(spec.class_id, 0);
  const Index end = spec.class_id < 0 ? rows.cols : spec.class_id + 1;
  for (Index i = 0; i < rows.rows; ++i) {
    const T *y = rows.outputs + i * rows.cols, *t = rows.targets + i * rows.cols;
    Place<T> place{};
    if (places) place = place_of(y, rows.cols, spec.k);
    for (Index j = begin; j < end; ++j) {
      T value = compared(spec, y[j]);
      if (places && !place.includes(y[j], j)) value = out_of_place;
      double weight = weights == nullptr ? 1.0 : weights[i];
      if (!spec.column_weights.empty()) weight *= spec.column_weights[static_cast<std::size_t>(j)];
      const Index histogram = (spec.by_column ? 2 * j : 0) + (t[j] != T{0} ? 0 : 1);
      sums[histogram * intervals + interval(value)] += weight;
    }
  }
}

template <class T>
void add_f_score(const MetricSpec& spec, const MetricRows<T>& rows, const double* weights,
                 double* sums) {
  const Index n = rows.cols;
  for (Index i = 0; i < rows.rows; ++i) {
    const T *y = rows.outputs + i * n, *t = rows.targets + i * n;
    const double weight = weights == nullptr ? 1.0 : weights[i];
    // The row's largest, but nothing of a row of zeros, as Keras has it.
    T largest = -std::numeric_limits<T>::infinity();
    for (Index j = 0; j < n; ++j) largest = y[j] > largest || y[j] != y[j] ? y[j] : largest;
    for (Index j = 0; j < n; ++j) {
      const bool positive = spec.k == 0 ? y[j] > static_cast<T>(spec.threshold)
                                        : y[j] >= largest && std::abs(y[j]) > T{1e-9};
      const double target = weight * static_cast<double>(t[j]);
      if (positive) {
        sums[j] += target;
        sums[n + j] += weight - target;
      } else {
        sums[2 * n + j] += target;
      }
      sums[3 * n + j] += target;
    }
  }
}

// West's update of weighted means and variances, Communications of the ACM 22, 1979: it does not
// cancel where the targets' mean is large.
template <class T>
void add_r2(const MetricRows<T>& rows, const double* weights, double* sums) {
  const Index n = rows.cols;
  sums[0] += static_cast<double>(rows.rows * n);
  double *total = sums + 1, *mean = total + n, *distances = mean + n, *errors = distances + n;
  for (Index i = 0; i < rows.rows; ++i) {
    const T *y = rows.outputs + i * n, *t = rows.targets + i * n;
    const double weight = weights == nullptr ? 1.0 : weights[i];
    if (weight == 0) continue;
    for (Index j = 0; j < n; ++j) {
      const auto target = static_cast<double>(t[j]);
      const double gap = target - mean[j], error = target - static_cast<double>(y[j]);
      total[j] += weight;
      mean[j] += weight / total[j] * gap;
      distances[j] += weight * gap * (target - mean[j]);
      errors[j] += weight * error * error;
    }
  }
}

}  // namespace

bool has_row_values(const MetricSpec& spec) {
#define UNITGAIN_OF_ROWS(kind, of_rows, ...) of_rows,
  constexpr bool rows[] = {UNITGAIN_METRICS(UNITGAIN_OF_ROWS)};
#undef UNITGAIN_OF_ROWS
  return rows[static_cast<int>(spec.kind)];
}

bool needs_predicted(const MetricSpec& spec) {
  return spec.kind == MetricKind::categorical_accuracy;
}

bool needs_expected(const MetricSpec& spec) {
  return needs_predicted(spec) || spec.kind == MetricKind::top_k;
}

template <class T>
void metric_values(const runtime::Team& team, const MetricSpec& spec, const MetricRows<T>& rows,
                   double* values) {
  const runtime::Range part = team.share(rows.rows, row_grain);
  switch (spec.kind) {
    case MetricKind::loss:
      if (loss_info(spec.loss.kind).takes_signs) {
        return hinges(rows, part, spec.loss.kind == LossKind::squared_hinge, values);
      }
      return losses(spec, rows, part, values);
    case MetricKind::equality:
      return means(rows, part, values, [](double y, double t) { return y == t ? 1.0 : 0.0; });
    case MetricKind::binary_accuracy:
      return binary_accuracies(spec, rows, part, values);
    case MetricKind::top_k:
      return top_k(spec, rows, part, values);
    case MetricKind::percentage_error:
      return means(rows, part, values, [](double y, double t) {
        return 100 * std::abs(t - y) / std::max(std::abs(t), epsilon);
      });
    case MetricKind::logarithmic_error:
      return means(rows, part, values, [](double y, double t) {
        const double gap =
            std::log1p(y < epsilon ? epsilon : y) - std::log1p(t < epsilon ? epsilon : t);
        return gap * gap;
      });
    case MetricKind::cosine_similarity:
      return cosines(rows, part, values);
    case MetricKind::pearson:
      return of_moments(rows, part, values, [](const Moments& m) {
        return m.covariance / std::sqrt(m.output_variance * m.target_variance);
      });
    case MetricKind::concordance:
      return of_moments(rows, part, values, [](const Moments& m) {
        const double gap = m.target - m.output;
        return 2 * m.covariance / (m.output_variance + m.target_variance + gap * gap + epsilon);
      });
    default:
      return;
  }
}

template <class T>
void add_metric(const MetricSpec& spec, const MetricRows<T>& rows, const double* values,
                const double* weights, double* sums) {
  switch (spec.kind) {
    case MetricKind::categorical_accuracy:
      return add_matches(rows, weights, sums);
    case MetricKind::confusion:
      return add_confusion(spec, rows, weights, sums);
    case MetricKind::f_score:
      return add_f_score(spec, rows, weights, sums);
    case MetricKind::r2:
      return add_r2(rows, weights, sums);
    case MetricKind::custom:
      return;
    default:
      if (rows.labels != nullptr && spec.loss.ignores_class) {
        return add_without_ignored(spec, rows, values, weights, sums);
      }
      return add_mean(values, weights, rows.rows, sums);
  }
}

template void metric_values(const runtime::Team&, const MetricSpec&, const MetricRows<float>&,
                            double*);
template void metric_values(const runtime::Team&, const MetricSpec&, const MetricRows<double>&,
                            double*);
template void add_metric(const MetricSpec&, const MetricRows<float>&, const double*, const double*,
                         double*);
template void add_metric(const MetricSpec&, const MetricRows<double>&, const double*, const double*,
                         double*);

}  // namespace unitgain::ops
