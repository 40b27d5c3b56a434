// The steps at both ends of a batch: reading it, and comparing the output with what it should be.
#include "ops/loss.hpp"

#include <algorithm>

#include "nn/plan_builder.hpp"
#include "ops/mix.hpp"
#include "unitgain/loss.hpp"

namespace unitgain::nn {

template <class T>
void read_batch(PlanBuilder<T>& builder, std::size_t input, NodeId id) {
  const SampleShape shape = builder.node(id).shape;
  const Index batch = builder.batch();
  // A slot in a concatenation has the input's own columns.
  const View to = builder.matrix(id, builder.has_buffer(id) ? shape.size() : shape.cols);
  if (to.rows == batch) {
    builder.step("read batch", 0.2 * static_cast<double>(batch * shape.size()), {to.buffer},
                 [=](const runtime::Team& team, const Context<T>& context) {
                   if (context.read_in_place[input]) return;
                   ops::read_inputs<T>(team, *context.samples, input, context.step, context.first,
                                       batch, at(context, to).data, to.row_stride);
                 });
    return;
  }
  const View gathered =
      builder.whole(builder.buffer(batch * shape.size()), batch * shape.rows, shape.cols);
  builder.step("read batch", 0.2 * static_cast<double>(batch * shape.size()), {gathered.buffer},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::read_inputs<T>(team, *context.samples, input, context.step, context.first,
                                     batch, context.at(gathered.buffer), shape.size());
               });
  copy_matrix(builder, "concatenate", gathered, to);
}

namespace {

// The batch's values of what each sample has so many of, in the order of its rows.
template <class U>
void gather(const Samples& samples, const U* from, Index first, Index batch, Index per_sample,
            U* to) {
  for (Index i = 0; i < batch; ++i) {
    const Index row = samples.order != nullptr ? samples.order[first + i] : first + i;
    std::copy_n(from + row * per_sample, per_sample, to + i * per_sample);
  }
}

template <class T>
LossBuffers loss_buffers(PlanBuilder<T>& builder, bool takes_labels, Index rows,
                         const MetricSpec& metrics) {
  const auto sums = [&](bool wanted) {
    return wanted ? builder.template buffer<double>(rows) : no_buffer;
  };
  const auto classes = [&](bool wanted) {
    return wanted ? builder.template buffer<std::int32_t>(rows) : no_buffer;
  };
  LossBuffers buffers;
  buffers.rows = rows;
  buffers.row_losses = sums(true);
  buffers.divisor = builder.template buffer<double>(1);
  buffers.predicted = classes(metrics.accuracy);
  buffers.expected = classes(takes_labels || metrics.accuracy);
  buffers.matches = sums(metrics.binary_accuracy && !takes_labels);
  buffers.squared_errors = sums(metrics.errors && !takes_labels);
  buffers.absolute_errors = sums(metrics.errors && !takes_labels);
  buffers.weights = sums(true);
  return buffers;
}

// What the metrics need of outputs and targets, row by row.
template <class T>
void measure(const runtime::Team& team, const Context<T>& context, const LossBuffers& buffers,
             simd::LossRows<T> rows) {
  rows.gradient = nullptr;
  const auto sum_into = [&](BufferId id, auto&& compute) {
    if (id == no_buffer) return;
    rows.row_losses = context.template at<double>(id);
    compute();
  };
  sum_into(buffers.matches, [&] { ops::binary_accuracy(team, rows); });
  sum_into(buffers.squared_errors,
           [&] { ops::loss(team, loss_spec(LossKind::mean_squared_error), rows); });
  sum_into(buffers.absolute_errors,
           [&] { ops::loss(team, loss_spec(LossKind::mean_absolute_error), rows); });
  if (buffers.predicted == no_buffer) return;
  ops::argmax(team, rows.outputs, rows.rows, rows.cols,
              context.template at<std::int32_t>(buffers.predicted));
  ops::argmax(team, rows.targets, rows.rows, rows.cols,
              context.template at<std::int32_t>(buffers.expected));
}

}  // namespace

template <class T>
LossBuffers compute_loss(PlanBuilder<T>& builder, std::size_t which, NodeId output,
                         const LossSpec& spec, const OutputLoss& asked) {
  const bool wanted = builder.mode() == Mode::train && builder.wants_gradient(output);
  const BufferId gradient = wanted ? builder.begin_gradient(output) : no_buffer;
  const bool takes_labels = loss_info(spec.kind).takes_labels;
  const Index batch = builder.batch(), rows = builder.rows(output);
  const Index cols = builder.node(output).shape.cols;
  const LossBuffers buffers = loss_buffers(builder, takes_labels, rows, asked.metrics);
  const BufferId y = builder.value(output);
  const BufferId targets =
      takes_labels ? no_buffer : builder.buffer(rows * target_cols(spec, cols));
  const BufferId scales = wanted ? builder.buffer(rows) : no_buffer;  // of the rows' gradients
  std::vector<BufferId> uses;
  for (const BufferId id : {y, gradient, targets, scales}) {
    if (id != no_buffer) uses.push_back(id);
  }
  for (const BufferId id : buffers.all()) {
    if (id == no_buffer) continue;
    uses.push_back(id);
    builder.keep(id);
  }
  builder.step("loss", static_cast<double>(rows * cols), std::move(uses),
               [=, weight = asked.weight](const runtime::Team& team, const Context<T>& context) {
                 const Samples& samples = *context.samples;
                 const Target& target = samples.y[which];
                 simd::LossRows<T> part{};
                 part.outputs = context.at(y);
                 part.rows = rows;
                 part.cols = cols;
                 part.row_losses = context.template at<double>(buffers.row_losses);
                 if (takes_labels) {
                   auto* labels = context.template at<std::int32_t>(buffers.expected);
                   if (team.rank() == 0) {
                     gather(samples, target.labels, context.first, batch, rows / batch, labels);
                   }
                   part.labels = labels;
                   if (buffers.predicted != no_buffer) {
                     part.predicted = context.template at<std::int32_t>(buffers.predicted);
                   }
                 } else {
                   ops::read_targets<T>(team, samples, which, context.step, context.first, batch,
                                        context.at(targets));
                   part.targets = context.at(targets);
                 }
                 if (target.weights != nullptr && team.rank() == 0) {
                   auto* weights = context.template at<double>(buffers.weights);
                   gather(samples, target.weights, context.first, batch, rows / batch, weights);
                   if (scales != no_buffer) std::copy_n(weights, rows, context.at(scales));
                 }
                 team.barrier();
                 const double* weights = row_weights(context, buffers, which);
                 const double divisor = ops::loss_divisor(spec, part.labels, weights, rows);
                 if (team.rank() == 0) *context.template at<double>(buffers.divisor) = divisor;
                 part.scale = static_cast<T>(ops::divide_no_nan(weight, divisor));
                 if (gradient != no_buffer) part.gradient = context.at(gradient);
                 if (weights != nullptr && scales != no_buffer)
                   part.row_scales = context.at(scales);
                 ops::loss(team, spec, part);
                 if (!takes_labels) measure(team, context, buffers, part);
               });
  if (wanted) builder.finish_gradient(output, gradient);
  return buffers;
}

template void read_batch(PlanBuilder<float>&, std::size_t, NodeId);
template void read_batch(PlanBuilder<double>&, std::size_t, NodeId);
template LossBuffers compute_loss(PlanBuilder<float>&, std::size_t, NodeId, const LossSpec&,
                                  const OutputLoss&);
template LossBuffers compute_loss(PlanBuilder<double>&, std::size_t, NodeId, const LossSpec&,
                                  const OutputLoss&);

}  // namespace unitgain::nn
