// The steps at both ends of a batch: reading it, and comparing the output with what it should be.
#include "nn/plan_builder.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/gather.hpp"
#include "ops/squared_error.hpp"

namespace unitgain::nn {

template <class T>
void read_batch(PlanBuilder<T>& builder, BufferId input, Index cols) {
  const Index batch = builder.batch();
  builder.step("read batch", 0.2 * static_cast<double>(batch * cols), {input},
               [=](const runtime::Team& team, const Context<T>& context) {
                 if (context.direct_input != nullptr) return;
                 ops::gather_rows<T>(team, context.samples->x, context.samples->order,
                                     context.first, batch, context.at(input));
               });
}

namespace {

template <class T>
LossBuffers cross_entropy(PlanBuilder<T>& builder, NodeId output, BufferId gradient,
                          bool from_logits) {
  const Index batch = builder.batch();
  const Index rows = builder.rows(output), cols = builder.node(output).shape.cols;
  LossBuffers buffers;
  buffers.row_losses = builder.template buffer<double>(rows);
  buffers.predicted = builder.template buffer<std::int32_t>(rows);
  const BufferId labels = builder.template buffer<std::int32_t>(rows);
  const BufferId y = builder.value(output);
  std::vector<BufferId> uses{y, labels, buffers.row_losses, buffers.predicted};
  if (gradient != no_buffer) uses.push_back(gradient);
  const Index labels_per_sample = rows / batch;
  builder.step("cross-entropy", static_cast<double>(rows * cols), std::move(uses),
               [=](const runtime::Team& team, const Context<T>& context) {
                 auto* label = context.template at<std::int32_t>(labels);
                 const Samples& samples = *context.samples;
                 if (team.rank() == 0) {
                   for (Index i = 0; i < batch; ++i) {
                     const Index row = samples.order != nullptr ? samples.order[context.first + i]
                                                                : context.first + i;
                     for (Index p = 0; p < labels_per_sample; ++p) {
                       label[i * labels_per_sample + p] =
                           samples.labels[row * labels_per_sample + p];
                     }
                   }
                 }
                 team.barrier();
                 const auto compute = from_logits ? ops::sparse_cross_entropy<T>
                                                  : ops::sparse_cross_entropy_from_probabilities<T>;
                 compute(team, context.at(y), rows, cols, label, T{1} / static_cast<T>(rows),
                         gradient != no_buffer ? context.at(gradient) : nullptr,
                         context.template at<double>(buffers.row_losses),
                         context.template at<std::int32_t>(buffers.predicted));
               });
  return buffers;
}

template <class T>
LossBuffers squared_error(PlanBuilder<T>& builder, NodeId output, BufferId gradient) {
  const Index batch = builder.batch();
  const Index rows = builder.rows(output), cols = builder.node(output).shape.cols;
  LossBuffers buffers;
  buffers.row_losses = builder.template buffer<double>(rows);
  buffers.row_absolute_errors = builder.template buffer<double>(rows);
  const BufferId targets = builder.buffer(rows * cols);
  const BufferId y = builder.value(output);
  std::vector<BufferId> uses{y, targets, buffers.row_losses, buffers.row_absolute_errors};
  if (gradient != no_buffer) uses.push_back(gradient);
  builder.step("squared error", 0.5 * static_cast<double>(rows * cols), std::move(uses),
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::gather_rows<T>(team, context.samples->targets, context.samples->order,
                                     context.first, batch, context.at(targets));
                 team.barrier();
                 ops::squared_error<T>(team, context.at(y), context.at(targets), rows, cols,
                                       T{2} / static_cast<T>(rows * cols),
                                       gradient != no_buffer ? context.at(gradient) : nullptr,
                                       context.template at<double>(buffers.row_losses),
                                       context.template at<double>(buffers.row_absolute_errors));
               });
  return buffers;
}

}  // namespace

template <class T>
LossBuffers compute_loss(PlanBuilder<T>& builder, NodeId output, const LossSpec& loss) {
  const bool wanted = builder.mode() == Mode::train && builder.wants_gradient(output);
  const BufferId gradient = wanted ? builder.begin_gradient(output) : no_buffer;
  const LossBuffers buffers = loss.kind == LossKind::sparse_categorical_crossentropy
                                  ? cross_entropy(builder, output, gradient, loss.from_logits)
                                  : squared_error(builder, output, gradient);
  if (wanted) builder.finish_gradient(output, gradient);
  for (const BufferId id : {buffers.row_losses, buffers.predicted, buffers.row_absolute_errors}) {
    if (id != no_buffer) builder.keep(id);
  }
  return buffers;
}

template void read_batch(PlanBuilder<float>&, BufferId, Index);
template void read_batch(PlanBuilder<double>&, BufferId, Index);
template LossBuffers compute_loss(PlanBuilder<float>&, NodeId, const LossSpec&);
template LossBuffers compute_loss(PlanBuilder<double>&, NodeId, const LossSpec&);

}  // namespace unitgain::nn
