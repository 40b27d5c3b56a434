// The steps at both ends of a batch: reading it, and comparing the output with what it should be.
#include "ops/loss.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "nn/expression.hpp"
#include "nn/lowering.hpp"
#include "nn/metrics.hpp"
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

// A team's part of a loss's step that is the embedding program's, or Python's.
template <class T>
void custom_loss(const runtime::Team& team, const Context<T>& context, CustomLoss& custom,
                 const simd::LossRows<T>& rows, const double* weights, const LossBuffers& buffers) {
  call_program(team, context, [&] {
    OutputBatch batch = output_batch<T>(rows, buffers);
    batch.weights = weights;
    custom.compute(batch, rows.row_losses, rows.gradient);
    if (rows.gradient == nullptr) return;
    const T* scales = custom.joins_rows() ? nullptr : rows.row_scales;
    for (Index i = 0; i < rows.rows; ++i) {
      const T scale = scales == nullptr ? rows.scale : rows.scale * scales[i];
      T* gradient = rows.gradient + i * rows.cols;
      for (Index j = 0; j < rows.cols; ++j) gradient[j] *= scale;
    }
  });
  if (rows.predicted != nullptr) {
    ops::argmax(team, rows.outputs, rows.rows, rows.cols, rows.predicted);
  }
}

}  // namespace

template <class T>
LossBuffers compute_loss(PlanBuilder<T>& builder, std::size_t which, NodeId output,
                         SampleShape shape, const LossSpec& spec, const OutputLoss& requested,
                         bool softmax) {
  const bool wanted = differentiates(builder.mode()) && builder.wants_gradient(output);
  const BufferId gradient = wanted ? builder.begin_gradient(output) : no_buffer;
  const bool takes_labels = loss_info(spec.kind).takes_labels;
  const Index batch = builder.batch(), rows = batch * shape.rows, cols = shape.cols;
  const BufferId y = builder.value(output);
  LossBuffers buffers;
  buffers.has_labels = takes_labels;
  buffers.rows = rows;
  buffers.target_cols = target_cols(spec, cols);
  buffers.row_losses = builder.template buffer<double>(rows);
  buffers.divisor = builder.template buffer<double>(1);
  buffers.weights = builder.template buffer<double>(rows);
  for (const BufferId id : {buffers.row_losses, buffers.divisor, buffers.weights}) builder.keep(id);
  buffers.outputs = y;
  if (!takes_labels) buffers.targets = builder.buffer(rows * buffers.target_cols);
  std::vector<BufferId> uses = plan_metrics(builder, requested.metrics, cols, softmax, buffers);
  const BufferId targets = buffers.targets;
  const BufferId scales = wanted ? builder.buffer(rows) : no_buffer;  // of the rows' gradients
  for (const BufferId id :
       {y, gradient, targets, scales, buffers.row_losses, buffers.divisor, buffers.weights}) {
    if (id != no_buffer) uses.push_back(id);
  }
  double work = static_cast<double>(rows * cols * (1 + std::ssize(requested.metrics)));
  std::optional<ExpressionLossStep<T>> traced;
  if (const auto* loss = dynamic_cast<const ExpressionLoss*>(requested.custom.get())) {
    traced.emplace(builder, *loss, rows, wanted, uses);
    work += traced->work();
  } else if (requested.custom != nullptr) {
    builder.may_fail();
  }
  builder.step("loss", work, std::move(uses),
               [=, weight = requested.weight, metrics = requested.metrics,
                custom = requested.custom](const runtime::Team& team, const Context<T>& context) {
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
                 const double of_all =
                     context.divisors != nullptr ? context.divisors[which] : divisor;
                 part.scale = static_cast<T>(ops::divide_no_nan(weight, of_all));
                 if (gradient != no_buffer) part.gradient = context.at(gradient);
                 if (weights != nullptr && scales != no_buffer)
                   part.row_scales = context.at(scales);
                 if (traced) {
                   traced->run(team, context, part, weights);
                 } else if (custom != nullptr) {
                   custom_loss(team, context, *custom, part, weights, buffers);
                 } else {
                   ops::loss(team, spec, part);
                 }
                 measure(team, context, metrics, buffers);
               });
  if (wanted) builder.finish_gradient(output, gradient);
  return buffers;
}

template void read_batch(PlanBuilder<float>&, std::size_t, NodeId);
template void read_batch(PlanBuilder<double>&, std::size_t, NodeId);
template LossBuffers compute_loss(PlanBuilder<float>&, std::size_t, NodeId, SampleShape,
                                  const LossSpec&, const OutputLoss&, bool);
template LossBuffers compute_loss(PlanBuilder<double>&, std::size_t, NodeId, SampleShape,
                                  const LossSpec&, const OutputLoss&, bool);

}  // namespace unitgain::nn
