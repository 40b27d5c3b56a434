#include "nn/expression.hpp"

#include <algorithm>

#include "base/aligned_buffer.hpp"
#include "ops/grain.hpp"
#include "ops/loss.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::nn {

namespace {

// Memory of one thread, kept between batches.
std::byte* own_memory(Index bytes) {
  thread_local base::AlignedBuffer<std::byte> memory;
  if (memory.size() < bytes) {
    memory = base::AlignedBuffer<std::byte>(bytes, "the values of a traced loss or metric");
  }
  return memory.data();
}

template <class T>
T* take(std::byte*& at, Index count) {
  T* found = reinterpret_cast<T*>(at);
  at += (count * static_cast<Index>(sizeof(T)) + 63) / 64 * 64;
  return found;
}

// The samples of a batch of rows: an input of a program has so many values for each.
Index samples_of(const ops::ExpressionProgram& program, const OutputBatch& batch) {
  const Index each = program.inputs[1].factor;  // of one sample's outputs
  return each == 0 ? 0 : batch.rows * batch.cols / each;
}

// Runs a program on a batch on the calling thread. Its inputs are targets, outputs and, for a loss
// with its gradient, weights of 1; its first output is returned.
template <class T>
T* run_alone(const ops::Expression<T>& expression, const OutputBatch& batch, Index values,
             T* gradient) {
  const Index room = (2 * batch.rows + values) * static_cast<Index>(sizeof(T)) + 256;
  std::byte* at = own_memory(expression.workspace(1) + room);
  T* labels = take<T>(at, batch.rows);
  T* weights = take<T>(at, batch.rows);
  T* const outputs[] = {take<T>(at, values), gradient};
  const T* inputs[3] = {static_cast<const T*>(batch.targets), static_cast<const T*>(batch.outputs),
                        weights};
  if (batch.labels != nullptr) {
    for (Index i = 0; i < batch.rows; ++i) labels[i] = static_cast<T>(batch.labels[i]);
    inputs[0] = labels;
  }
  for (Index i = 0; i < batch.rows; ++i) {
    weights[i] = batch.weights == nullptr ? T{1} : static_cast<T>(batch.weights[i]);
  }
  expression.run({}, inputs, outputs, at);
  return outputs[0];
}

template <class T>
void compute_loss_alone(const ops::ExpressionProgram& program, const OutputBatch& batch,
                        double* row_losses, void* gradient) {
  const ops::Expression<T> expression(program, samples_of(program, batch));
  const T* losses = run_alone<T>(expression, batch, batch.rows, static_cast<T*>(gradient));
  std::copy_n(losses, batch.rows, row_losses);
}

// Adds the weighted sum of values, of which each row, or each sample, has as many, and the weights'
// sum. One value for the batch counts as one sample.
template <class T>
void add_sums(const T* values, Index count, Index samples, const OutputBatch& batch, bool is_number,
              double* sums) {
  const double* weights = batch.weights;
  double total = 0, weight = 0;
  if (is_number) {
    for (Index i = 0; weights != nullptr && i < batch.rows; ++i) weight += weights[i];
    if (weights == nullptr) weight = 1;
    total = static_cast<double>(*values) * weight;
  } else if (count > 0) {
    const Index each = weights == nullptr ? count : count / batch.rows;  // of one weight
    const Index groups = count / each;
    for (Index i = 0; i < groups; ++i) {
      double sum = 0;
      for (Index j = 0; j < each; ++j) sum += static_cast<double>(values[i * each + j]);
      total += weights == nullptr ? sum : sum * weights[i];
      weight += weights == nullptr ? 0 : weights[i] * static_cast<double>(each);
    }
    const auto per_sample = static_cast<double>(count / samples);
    total /= per_sample;
    weight = weights == nullptr ? static_cast<double>(samples) : weight / per_sample;
  }
  sums[0] += total;
  sums[1] += weight;
}

}  // namespace

void ExpressionLoss::compute(const OutputBatch& batch, double* row_losses, void* gradient) {
  const ops::ExpressionProgram& program = *this->program(gradient != nullptr);
  if (batch.is_double) {
    compute_loss_alone<double>(program, batch, row_losses, gradient);
  } else {
    compute_loss_alone<float>(program, batch, row_losses, gradient);
  }
}

template <class T>
std::shared_ptr<const ops::Expression<T>> ExpressionMetric::bound(Bound<T>& known, Index samples) {
  const Precision precision = float32_matmul_precision();
  const std::lock_guard lock(mutex_);
  if (known.expression == nullptr || known.samples != samples || known.precision != precision) {
    known.expression = std::make_shared<const ops::Expression<T>>(*program_, samples, precision);
    known.samples = samples;
    known.precision = precision;
  }
  return known.expression;
}

template <class T>
void ExpressionMetric::add(const OutputBatch& batch, Bound<T>& known, double* sums) {
  const Index samples = samples_of(*program_, batch);
  const ops::BatchSize size = program_->outputs[0];
  const Index count = size.of(samples);
  const auto expression = bound(known, samples);
  const T* values = run_alone<T>(*expression, batch, count, nullptr);
  add_sums(values, count, samples, batch, size.power == 0, sums);
}

void ExpressionMetric::update(const OutputBatch& batch, double* sums) {
  if (batch.is_double) {
    add(batch, doubles_, sums);
  } else {
    add(batch, floats_, sums);
  }
}

template <class T>
ExpressionLossStep<T>::ExpressionLossStep(PlanBuilder<T>& builder, const ExpressionLoss& loss,
                                          Index rows, bool with_gradient,
                                          std::vector<BufferId>& uses) {
  const ops::ExpressionProgram& program = *loss.program(with_gradient);
  expression_ =
      std::make_shared<const ops::Expression<T>>(program, builder.batch(), builder.precision());
  workspace_ = builder.workspace(expression_->workspace(builder.threads()));
  losses_ = builder.buffer(rows);
  labels_ = builder.buffer(rows);
  uses.insert(uses.end(), {workspace_, losses_, labels_});
  if (with_gradient) {
    upstream_ = builder.buffer(rows);
    uses.push_back(upstream_);
  }
}

template <class T>
void ExpressionLossStep<T>::run(const runtime::Team& team, const Context<T>& context,
                                const simd::LossRows<T>& rows, const double* weights) const {
  const runtime::Range part = team.share(rows.rows, ops::element_grain);
  const T* inputs[3] = {rows.targets, rows.outputs, nullptr};
  if (rows.labels != nullptr) {
    T* labels = context.at(labels_);
    for (Index i = part.begin; i < part.end; ++i) labels[i] = static_cast<T>(rows.labels[i]);
    inputs[0] = labels;
  }
  if (rows.gradient != nullptr) {
    T* upstream = context.at(upstream_);
    for (Index i = part.begin; i < part.end; ++i) {
      upstream[i] = weights == nullptr ? rows.scale : rows.scale * static_cast<T>(weights[i]);
    }
    inputs[2] = upstream;
  }
  team.barrier();
  T* const outputs[] = {context.at(losses_), rows.gradient};
  expression_->run(team, inputs, outputs, context.template at<std::byte>(workspace_));
  for (Index i = part.begin; i < part.end; ++i) {
    rows.row_losses[i] = static_cast<double>(outputs[0][i]);
  }
  if (rows.predicted != nullptr) {
    ops::argmax(team, rows.outputs, rows.rows, rows.cols, rows.predicted);
  }
}

template class ExpressionLossStep<float>;
template class ExpressionLossStep<double>;

}  // namespace unitgain::nn
