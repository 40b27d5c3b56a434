// Operations and losses of the embedding program's, or of Python: the caller's thread runs them,
// while the rest of the team waits.
#include <algorithm>

#include "nn/plan_builder.hpp"
#include "ops/loss.hpp"

namespace unitgain::nn {

namespace {

// What is thrown is kept: the run ends at the step's barrier.
template <class T, class Body>
void call(const runtime::Team& team, const Context<T>& context, Body&& body) {
  if (team.rank() != 0) return;
  try {
    body();
  } catch (...) {
    *context.failure = std::current_exception();
  }
}

// Each input as the operation takes it: one sample a row.
template <class T>
std::vector<View> rows_of_inputs(PlanBuilder<T>& builder, const Group<T>& group) {
  std::vector<View> views;
  for (const NodeId input : builder.node(group.head).inputs) {
    views.push_back(builder.matrix(builder.value_of(input), builder.node(input).shape.size()));
  }
  return views;
}

template <class T>
std::vector<MatrixView<const T>> matrices(const Context<T>& context,
                                          const std::vector<View>& views) {
  std::vector<MatrixView<const T>> found;
  for (const View& view : views) found.push_back(read_at(context, view));
  return found;
}

}  // namespace

template <class T>
void custom_forward(PlanBuilder<T>& builder, const Group<T>& group, const CustomNode<T>& custom) {
  builder.may_fail();
  const std::vector<View> inputs = rows_of_inputs(builder, group);
  const View y = builder.matrix(group.result, builder.node(group.result).shape.size());
  std::vector<BufferId> uses{y.buffer};
  for (const View& view : inputs) uses.push_back(view.buffer);
  const bool training = draws(builder.mode(), builder.node(group.head).training);
  builder.step(
      "custom", 1e4, std::move(uses),
      [=, operation = custom.operation](const runtime::Team& team, const Context<T>& context) {
        call(team, context,
             [&] { operation->forward(matrices(context, inputs), at(context, y), training); });
      });
}

template <class T>
void custom_backward(PlanBuilder<T>& builder, const Group<T>& group, const CustomNode<T>& custom) {
  const std::vector<View> inputs = rows_of_inputs(builder, group);
  const Index cols = builder.node(group.result).shape.size();
  const View y = builder.matrix(group.result, cols);
  const View dy = builder.whole(builder.gradient(group.result), builder.batch(), cols);
  std::vector<BufferId> uses{y.buffer, dy.buffer};
  std::vector<View> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    View dx = inputs[i];
    const bool wanted = builder.wants_gradient(group.inputs[i]);
    dx.buffer = wanted ? builder.begin_gradient(group.inputs[i]) : no_buffer;
    gradients.push_back(dx);
    uses.push_back(inputs[i].buffer);
    if (wanted) uses.push_back(dx.buffer);
  }
  using Target = typename PlanBuilder<T>::ParameterTarget;
  std::vector<Target> targets;
  std::vector<BufferId> parts;
  std::vector<Index> sizes;
  for (const ParameterPtr<T>& parameter : custom.parameters) {
    const bool trainable = builder.node(group.head).trainable;
    targets.push_back(trainable ? builder.begin_parameter(parameter) : Target{nullptr, false});
    sizes.push_back(parameter->size());
    parts.push_back(builder.buffer(parameter->size()));
    uses.push_back(parts.back());
  }
  builder.step(
      "custom gradient", 1e4, std::move(uses),
      [=, operation = custom.operation](const runtime::Team& team, const Context<T>& context) {
        call(team, context, [&] {
          std::vector<MatrixView<T>> to;
          for (const View& dx : gradients) {
            if (dx.buffer == no_buffer) {
              to.push_back({nullptr, dx.rows, dx.cols, dx.cols, 1});
            } else {
              to.push_back(at(context, dx));
            }
          }
          std::vector<T*> sums;
          for (std::size_t i = 0; i < parts.size(); ++i) {
            sums.push_back(targets[i].gradient != nullptr ? context.at(parts[i]) : nullptr);
          }
          operation->backward(matrices(context, inputs), read_at(context, y), read_at(context, dy),
                              to, sums);
          for (std::size_t i = 0; i < parts.size(); ++i) {
            T* target = targets[i].gradient;
            if (target == nullptr) continue;
            for (Index k = 0; k < sizes[i]; ++k) {
              target[k] = (targets[i].accumulate ? target[k] : T{0}) + sums[i][k];
            }
          }
        });
      });
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].buffer != no_buffer) {
      builder.finish_gradient(group.inputs[i], gradients[i].buffer);
    }
  }
}

template <class T>
void custom_loss(const runtime::Team& team, const Context<T>& context, CustomLoss& custom,
                 const simd::LossRows<T>& rows, const double* weights, const LossBuffers& buffers) {
  call(team, context, [&] {
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

template void custom_loss(const runtime::Team&, const Context<float>&, CustomLoss&,
                          const simd::LossRows<float>&, const double*, const LossBuffers&);
template void custom_loss(const runtime::Team&, const Context<double>&, CustomLoss&,
                          const simd::LossRows<double>&, const double*, const LossBuffers&);
template void custom_forward(PlanBuilder<float>&, const Group<float>&, const CustomNode<float>&);
template void custom_forward(PlanBuilder<double>&, const Group<double>&, const CustomNode<double>&);
template void custom_backward(PlanBuilder<float>&, const Group<float>&, const CustomNode<float>&);
template void custom_backward(PlanBuilder<double>&, const Group<double>&,
                              const CustomNode<double>&);

}  // namespace unitgain::nn
