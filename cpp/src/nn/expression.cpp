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
template <class T>
Index batch_of(const ops::ExpressionProgram& program, Index rows, Index cols) {
  const Index each = program.inputs[1].factor;  // of one sample's outputs
  return each == 0 ? 0 : rows * cols / each;
}

// Runs a program on a batch on the calling thread, its outputs to `outputs`.
template <class T>
void run_alone(const ops::ExpressionProgram& program, const OutputBatch& batch, bool weighted,
               T* const* outputs) {
  const Index samples = batch_of<T>(program, batch.rows, batch.cols);
  const ops::Expression<T> expression(program, samples, float32_matmul_precision());
  const Index values = 2 * batch.rows + 64;
  std::byte* memory =
      own_memory(expression.workspace(1) + values * static_cast<Index>(sizeof(T)) + 512);
  std::byte* at = memory;
  T* labels = take<T>(at, batch.rows);
  T* weights = take<T>(at, batch.rows);
  const T* inputs[3] = {static_cast<const T*>(batch.targets), static_cast<const T*>(batch.outputs),
                        weights};
  if (batch.labels != nullptr) {
    for (Index i = 0; i < batch.rows; ++i) labels[i] = static_cast<T>(batch.labels[i]);
    inputs[0] = labels;
  }
  for (Index i = 0; weighted && i < batch.rows; ++i) {
    weights[i] = batch.weights == nullptr ? T{1} : static_cast<T>(batch.weights[i]);
  }
  expression.run({}, inputs, outputs, at);
}

template <class T>
void compute_loss_alone(const ops::ExpressionProgram& program, const OutputBatch& batch,
                        double* row_losses, void* gradient) {
  base::AlignedBuffer<T> losses(batch.rows, "the losses of a batch");
  T* const outputs[] = {losses.data(), static_cast<T*>(gradient)};
  run_alone<T>(program, batch, gradient != nullptr, outputs);
  std::copy_n(losses.data(), batch.rows, row_losses);
}

template <class T>
void add_sums(const ops::ExpressionProgram& program, const OutputBatch& batch, bool weighted,
              double* sums) {
  T added[2] = {0, 0};
  T* const outputs[] = {added, added + 1};
  run_alone<T>(program, batch, weighted, outputs);
  for (int i = 0; i < 2; ++i) sums[i] += static_cast<double>(added[i]);
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

void ExpressionMetric::update(const OutputBatch& batch, double* sums) {
  if (batch.is_double) {
    add_sums<double>(*program_, batch, weighted_, sums);
  } else {
    add_sums<float>(*program_, batch, weighted_, sums);
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
