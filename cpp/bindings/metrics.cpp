// Metrics: what networks are to sum up, and the same sums of arrays by themselves.
#include "unitgain/metric.hpp"

#include <pybind11/stl.h>

#include <array>
#include <memory>
#include <string>

#include "common.hpp"
#include "expression.hpp"
#include "ops/loss.hpp"
#include "ops/metric.hpp"
#include "python_loss.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::bindings {

namespace {

// A metric written in Python: update(y_true, y_pred, weights) is called after each batch with
// copies of the arrays, and what it returns, a sequence of numbers or None, is added to the sums.
class PythonMetric final : public CustomMetric {
 public:
  PythonMetric(py::object update, py::object reset, Index sums)
      : update_(std::move(update)), reset_(std::move(reset)), sums_(sums) {}

  void reset() override {
    const GilAcquire acquire;
    if (!reset_.is_none()) reset_();
  }

  void update(const OutputBatch& batch, double* sums) override {
    const GilAcquire acquire;
    const auto [targets, outputs] = copies_of(batch);
    py::object weights = py::none();
    if (batch.weights != nullptr) weights = copy_of(batch.weights, {batch.rows});
    const py::object added = update_(targets, outputs, weights);
    if (added.is_none()) return;
    const auto values = py::cast<std::vector<double>>(added);
    if (static_cast<Index>(values.size()) != sums_) {
      throw ValueError("a metric gives " + std::to_string(values.size()) + " sums, expected " +
                       std::to_string(sums_));
    }
    for (std::size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
  }

 private:
  Callable update_, reset_;
  Index sums_;
};

MetricSpec metric_spec(const std::string& kind, bool takes_labels, bool weighted,
                       const std::optional<LossSpec>& loss, double threshold, Index k,
                       std::vector<double> thresholds, std::optional<Index> class_id,
                       bool by_column, bool from_logits, bool clips,
                       std::vector<double> column_weights, const py::object& update,
                       const py::object& reset, Index sums) {
  MetricSpec spec;
  spec.kind = metric_kind(kind);
  spec.takes_labels = takes_labels;
  spec.weighted = weighted;
  if (loss) spec.loss = *loss;
  spec.threshold = threshold;
  spec.k = k;
  spec.thresholds = std::move(thresholds);
  if (class_id && *class_id < 0) throw ValueError("class_id must be at least 0");
  spec.class_id = class_id.value_or(-1);
  spec.by_column = by_column;
  spec.from_logits = from_logits;
  spec.clips = clips;
  spec.column_weights = std::move(column_weights);
  if (is_expression(update)) {
    spec.custom = traced_metric(update);
  } else if (!update.is_none())
    spec.custom = std::make_shared<PythonMetric>(update, reset, sums);
  spec.custom_sums = sums;
  return spec;
}

using Sums = py::array_t<double, py::array::c_style>;
using Weights = py::array_t<double, py::array::c_style>;
using Labels = py::array_t<std::int32_t, py::array::c_style>;

[[noreturn]] void refuse(const char* name, const py::array& array, const char* expected) {
  throw ValueError(std::string(name) + " has shape " + shape_text(array) + ", expected " +
                   expected);
}

template <class T>
void add(const MetricSpec& spec, Sums& sums, const py::array& y_true, const py::array& outputs,
         const double* weights) {
  const py::array_t<T, py::array::c_style> y_pred(outputs);
  ops::MetricRows<T> rows{};
  rows.outputs = y_pred.data();
  rows.rows = y_pred.shape(0);
  rows.cols = y_pred.shape(1);
  check_metric(spec, rows.cols);
  if (sums.size() != metric_sums(spec, rows.cols)) {
    throw ValueError("y_pred has " + std::to_string(rows.cols) +
                     " columns, but those before had another number");
  }
  py::array held;
  if (spec.takes_labels) {
    held = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>(y_true);
    if (held.size() != rows.rows) refuse("y_true", y_true, "a class label for each row of y_pred");
    rows.labels = rows.expected = static_cast<const std::int32_t*>(held.data());
  } else {
    held = py::array_t<T, py::array::c_style | py::array::forcecast>(y_true);
    if (shape_of(held) != shape_of(y_pred)) refuse("y_true", y_true, "that of y_pred");
    rows.targets = static_cast<const T*>(held.data());
  }
  double* to = sums.mutable_data();
  const GilRelease release;
  const auto size = static_cast<std::size_t>(rows.rows);
  std::unique_ptr<std::int32_t[]> predicted, expected;
  std::unique_ptr<double[]> values;
  if (ops::needs_predicted(spec)) predicted.reset(new std::int32_t[size]);
  if (ops::needs_expected(spec) && !spec.takes_labels) expected.reset(new std::int32_t[size]);
  if (ops::has_row_values(spec)) values.reset(new double[size]);
  rows.predicted = predicted.get();
  if (expected) rows.expected = expected.get();
  const double work = static_cast<double>(rows.rows * (rows.cols + 1));
  runtime::parallel(runtime::threads_for(work), [&](const runtime::Team& team) {
    if (predicted) ops::argmax(team, rows.outputs, rows.rows, rows.cols, predicted.get());
    if (expected) ops::argmax(team, rows.targets, rows.rows, rows.cols, expected.get());
    if (values) ops::metric_values(team, spec, rows, values.get());
  });
  ops::add_metric(spec, rows, values.get(), weights, to);
}

void add_metric(const MetricSpec& spec, Sums sums, const py::array& y_true, const py::array& y_pred,
                const std::optional<Weights>& weights) {
  if (spec.kind == MetricKind::custom) throw ValueError("a custom metric sums up by itself");
  if (y_pred.ndim() != 2) refuse("y_pred", y_pred, "two dimensions");
  if (weights && weights->size() != y_pred.shape(0)) {
    refuse("sample_weight", *weights, "a weight for each row of y_pred");
  }
  const double* data = weights ? weights->data() : nullptr;
  dispatch_float(y_pred, "y_pred",
                 [&](auto zero) { add<decltype(zero)>(spec, sums, y_true, y_pred, data); });
}

}  // namespace

void bind_metrics(py::module_& module) {
#define UNITGAIN_NAME(kind, ...) #kind,
  constexpr std::array names = {UNITGAIN_METRICS(UNITGAIN_NAME)};
#undef UNITGAIN_NAME
  module.attr("metric_names") = py::tuple(py::cast(names));
  py::class_<MetricSpec>(module, "MetricSpec")
      .def(py::init(&metric_spec), py::arg("kind"), py::arg("takes_labels") = false,
           py::arg("weighted") = false, py::arg("loss") = py::none(), py::arg("threshold") = 0.5,
           py::arg("k") = 0, py::arg("thresholds") = std::vector<double>{},
           py::arg("class_id") = py::none(), py::arg("by_column") = false,
           py::arg("from_logits") = false, py::arg("clips") = false,
           py::arg("column_weights") = std::vector<double>{}, py::arg("update") = py::none(),
           py::arg("reset") = py::none(), py::arg("sums") = 0)
      .def("sums", &metric_sums, py::arg("cols"))
      .def("check", &check_metric, py::arg("cols"));
  module.def("add_metric", &add_metric, py::arg("spec"), py::arg("sums").noconvert(),
             py::arg("y_true"), py::arg("y_pred"), py::arg("weights").none(true),
             "Adds a batch to a metric's sums.");
}

}  // namespace unitgain::bindings
