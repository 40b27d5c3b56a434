#include "nn/metrics.hpp"

#include <algorithm>

#include "ops/loss.hpp"
#include "ops/metric.hpp"
#include "ops/softmax.hpp"

namespace unitgain::nn {

namespace {

template <class Condition>
bool any_of(const std::vector<MetricSpec>& metrics, Condition&& condition) {
  return std::any_of(metrics.begin(), metrics.end(), condition);
}

bool is_custom(const MetricSpec& spec) {
  return spec.kind == MetricKind::custom;
}

// Whether what is read after the run is more than a value or a class of each row.
bool reads_outputs(const MetricSpec& spec) {
  return !ops::has_row_values(spec) && !ops::needs_predicted(spec);
}

template <class U, class T>
const U* read(const Context<T>& context, BufferId id) {
  return id == no_buffer ? nullptr : context.template at<U>(id);
}

// The part of the loss's inputs that the metrics read.
template <class T>
ops::MetricRows<T> metric_rows(const Context<T>& context, const LossBuffers& buffers) {
  ops::MetricRows<T> rows{};
  rows.outputs = read<T>(context, buffers.outputs);
  rows.targets = read<T>(context, buffers.targets);
  rows.predicted = read<std::int32_t>(context, buffers.predicted);
  rows.expected = read<std::int32_t>(context, buffers.expected);
  rows.labels = buffers.has_labels ? rows.expected : nullptr;
  rows.rows = buffers.rows;
  rows.cols = buffers.cols;
  return rows;
}

}  // namespace

template <class T>
std::vector<BufferId> plan_metrics(PlanBuilder<T>& builder, const std::vector<MetricSpec>& metrics,
                                   Index cols, bool softmax, LossBuffers& buffers) {
  const Index rows = buffers.rows;
  buffers.cols = cols;
  std::vector<BufferId> made;
  const auto keep = [&](BufferId id) {
    builder.keep(id);
    made.push_back(id);
    return id;
  };
  if (any_of(metrics, ops::needs_predicted)) {
    buffers.predicted = keep(builder.template buffer<std::int32_t>(rows));
  }
  if (buffers.has_labels || any_of(metrics, ops::needs_expected)) {
    buffers.expected = keep(builder.template buffer<std::int32_t>(rows));
  }
  for (const MetricSpec& metric : metrics) {
    const bool has_values = ops::has_row_values(metric);
    buffers.values.push_back(has_values ? keep(builder.template buffer<double>(rows)) : no_buffer);
  }
  const auto needs_outputs = [](const MetricSpec& spec) { return !ops::needs_predicted(spec); };
  if (softmax && any_of(metrics, needs_outputs)) {
    buffers.logits = buffers.outputs;
    buffers.outputs = builder.buffer(rows * cols);
    made.push_back(buffers.outputs);
  }
  if (any_of(metrics, reads_outputs)) {
    builder.keep(buffers.outputs);
    if (buffers.targets != no_buffer) builder.keep(buffers.targets);
  }
  return made;
}

template <class T>
void measure(const runtime::Team& team, const Context<T>& context,
             const std::vector<MetricSpec>& metrics, const LossBuffers& buffers) {
  if (metrics.empty()) return;
  const ops::MetricRows<T> rows = metric_rows(context, buffers);
  if (!buffers.has_labels && buffers.predicted != no_buffer) {
    const BufferId compared = buffers.logits != no_buffer ? buffers.logits : buffers.outputs;
    ops::argmax(team, context.at(compared), rows.rows, rows.cols,
                context.template at<std::int32_t>(buffers.predicted));
  }
  // Read by those who write it: rows are shared out alike.
  if (!buffers.has_labels && buffers.expected != no_buffer) {
    ops::argmax(team, rows.targets, rows.rows, rows.cols,
                context.template at<std::int32_t>(buffers.expected));
  }
  if (buffers.logits != no_buffer) {
    ops::softmax(team, context.at(buffers.logits), context.at(buffers.outputs), rows.rows,
                 rows.cols);
    team.barrier();
  }
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (buffers.values[i] == no_buffer) continue;
    ops::metric_values(team, metrics[i], rows, context.template at<double>(buffers.values[i]));
  }
}

void begin_metrics(const std::vector<OutputLoss>& outputs, const std::vector<Index>& cols,
                   Totals& totals) {
  if (outputs.size() > 1) totals.outputs.resize(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Totals& part = outputs.size() > 1 ? totals.outputs[i] : totals;
    part.metrics.resize(outputs[i].metrics.size());
    for (std::size_t j = 0; j < part.metrics.size(); ++j) {
      const MetricSpec& metric = outputs[i].metrics[j];
      part.metrics[j].resize(static_cast<std::size_t>(metric_sums(metric, cols[i])));
      if (is_custom(metric) && totals.batches == 0) metric.custom->reset();
    }
  }
}

template <class T>
void add_metrics(const Context<T>& context, const std::vector<MetricSpec>& metrics,
                 const LossBuffers& buffers, std::size_t output, Totals& totals) {
  if (totals.metrics.empty()) return;
  const ops::MetricRows<T> rows = metric_rows(context, buffers);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (is_custom(metrics[i])) continue;
    const double* weights = metrics[i].weighted ? row_weights(context, buffers, output) : nullptr;
    ops::add_metric(metrics[i], rows, read<double>(context, buffers.values[i]), weights,
                    totals.metrics[i].data());
  }
}

template <class T>
void add_custom_metrics(const Context<T>& context, const std::vector<MetricSpec>& metrics,
                        const LossBuffers& buffers, std::size_t output, Totals& totals) {
  if (buffers.rows == 0 || !any_of(metrics, is_custom) || totals.metrics.empty()) return;
  OutputBatch batch = output_batch<T>(metric_rows(context, buffers), buffers);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (!is_custom(metrics[i])) continue;
    batch.weights = metrics[i].weighted ? row_weights(context, buffers, output) : nullptr;
    metrics[i].custom->update(batch, totals.metrics[i].data());
  }
}

template std::vector<BufferId> plan_metrics(PlanBuilder<float>&, const std::vector<MetricSpec>&,
                                            Index, bool, LossBuffers&);
template std::vector<BufferId> plan_metrics(PlanBuilder<double>&, const std::vector<MetricSpec>&,
                                            Index, bool, LossBuffers&);
template void measure(const runtime::Team&, const Context<float>&, const std::vector<MetricSpec>&,
                      const LossBuffers&);
template void measure(const runtime::Team&, const Context<double>&, const std::vector<MetricSpec>&,
                      const LossBuffers&);
template void add_metrics(const Context<float>&, const std::vector<MetricSpec>&, const LossBuffers&,
                          std::size_t, Totals&);
template void add_metrics(const Context<double>&, const std::vector<MetricSpec>&,
                          const LossBuffers&, std::size_t, Totals&);
template void add_custom_metrics(const Context<float>&, const std::vector<MetricSpec>&,
                                 const LossBuffers&, std::size_t, Totals&);
template void add_custom_metrics(const Context<double>&, const std::vector<MetricSpec>&,
                                 const LossBuffers&, std::size_t, Totals&);

}  // namespace unitgain::nn
