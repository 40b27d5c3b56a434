// Dense: z = x W + b, y = f(z). Backward, with dz = dy f'(z): dW = x^T dz, db = sum of dz's rows,
// dx = dz W^T.
#include "nn/plan_builder.hpp"
#include "ops/activation.hpp"
#include "ops/column_sums.hpp"
#include "ops/fold_batch_norm.hpp"
#include "ops/gemm.hpp"
#include "ops/noise.hpp"
#include "ops/packed_panels.hpp"

namespace unitgain::nn {

namespace {

template <class T>
MatrixView<const T> matrix(const T* data, Index rows, Index cols) {
  return {data, rows, cols, cols, 1};
}

template <class T>
BufferId product_workspace(PlanBuilder<T>& builder, Index m, Index n, Index k) {
  return builder.workspace(ops::gemm_workspace<T>(m, n, k, builder.threads(), builder.precision()));
}

template <class T>
BufferId forward_workspace(PlanBuilder<T>& builder, Index rows, const DenseNode<T>& dense) {
  if (dense.packed == nullptr) {
    return product_workspace(builder, rows, dense.units(), dense.inputs());
  }
  return builder.workspace(ops::gemm_workspace<T>(
      rows, dense.units(), dense.inputs(), builder.threads(), dense.packed->precision(), true));
}

template <class T>
const NoiseNode& dropout_of(const PlanBuilder<T>& builder, const Group<T>& group) {
  return std::get<NoiseNode>(builder.node(group.dropout).operation);
}

// What the group's dropout keeps, for the forward pass and for the product that makes the gradient;
// no_buffer if there is none.
template <class T>
BufferId dropout_mask(PlanBuilder<T>& builder, const Group<T>& group) {
  if (group.dropout < 0) return no_buffer;
  const NoiseNode& node = dropout_of(builder, group);
  const Index n = builder.values(group.result);
  builder.draws();
  const BufferId bits = builder.dropout_mask(group);
  builder.step("dropout mask", 0.3 * static_cast<double>(n), {bits},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::dropout_mask(team, node.noise, n, node.key, context.step,
                                   context.template at<std::uint64_t>(bits));
               });
  return bits;
}

// Scale and shift that stand for the batch norm behind the product, and for the bias before it.
template <class T>
void fold_norm(PlanBuilder<T>& builder, const BatchNormNode<T>& norm, const DenseNode<T>& dense,
               BufferId scale, BufferId shift, Index features) {
  builder.step("fold batch norm", static_cast<double>(features), {scale, shift},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const auto data = [](const ParameterPtr<T>& p) { return p ? p->data() : nullptr; };
                 ops::fold_batch_norm<T>(team, features, data(dense.bias), data(norm.gamma),
                                         data(norm.beta), norm.moving_mean->data(),
                                         norm.moving_variance->data(), static_cast<T>(norm.epsilon),
                                         context.at(scale), context.at(shift));
               });
}

}  // namespace

template <class T>
void dense_forward(PlanBuilder<T>& builder, const Group<T>& group, const DenseNode<T>& dense) {
  const Index rows = builder.rows(group.head);
  const Index features = dense.inputs(), units = dense.units();
  const View x = builder.matrix(group.inputs[0], features);
  const View y = builder.matrix(group.result, units);
  const BufferId workspace = forward_workspace(builder, rows, dense);
  std::vector<BufferId> uses{x.buffer, y.buffer, workspace};

  // The pre-activation is kept only where the backward pass will want it.
  View z = y;
  if (builder.mode() == Mode::train && activation_info(group.activation.kind).saves_input) {
    z = builder.saved(group);
    uses.push_back(z.buffer);
  }
  BufferId scale = no_buffer, shift = no_buffer;
  if (group.folded_norm >= 0) {
    scale = builder.buffer(units);
    shift = builder.buffer(units);
    uses.insert(uses.end(), {scale, shift});
    fold_norm(builder, std::get<BatchNormNode<T>>(builder.node(group.folded_norm).operation), dense,
              scale, shift, units);
  }
  const BufferId mask = dropout_mask(builder, group);
  if (mask != no_buffer) uses.push_back(mask);
  const NoiseSpec dropout = mask == no_buffer ? NoiseSpec{} : dropout_of(builder, group).noise;
  const ActivationSpec activation = group.activation;
  builder.step(
      "dense", ops::gemm_work(rows, units, features), std::move(uses),
      [=, precision = builder.precision()](const runtime::Team& team, const Context<T>& context) {
        ops::Gemm<T> product;
        product.a = read_at(context, x);
        product.c = at(context, z);
        product.precision = precision;
        if (dense.packed != nullptr) {
          dense.packed->content().panels.operand_of(product);
        } else {
          product.b = matrix<T>(dense.kernel->data(), features, units);
        }
        product.epilogue.activation = activation;
        product.epilogue.bias = dense.bias ? dense.bias->data() : nullptr;
        if (scale != no_buffer) {
          product.epilogue.scale = context.at(scale);
          product.epilogue.bias = context.at(shift);
        }
        if (mask != no_buffer) {
          product.epilogue.dropout =
              ops::dropout_epilogue<T>(dropout, context.template at<std::uint64_t>(mask), units);
        }
        if (z.buffer != y.buffer) {
          product.epilogue.output = at(context, y).data;
          product.epilogue.output_stride = y.row_stride;
        }
        ops::gemm(team, product, context.template at<std::byte>(workspace));
      });
}

namespace {

template <class T>
void kernel_gradient(PlanBuilder<T>& builder, const View& x, const View& dz,
                     const ParameterPtr<T>& kernel) {
  const auto target = builder.begin_parameter(kernel);
  if (target.gradient == nullptr) return;
  const Index features = kernel->shape()[0], units = kernel->shape()[1], rows = x.rows;
  const BufferId workspace = product_workspace(builder, features, units, rows);
  builder.step(
      "dense kernel gradient", ops::gemm_work(features, units, rows),
      {x.buffer, dz.buffer, workspace},
      [=, precision = builder.precision()](const runtime::Team& team, const Context<T>& context) {
        ops::Gemm<T> product{ops::transposed(read_at(context, x)),
                             read_at(context, dz),
                             {target.gradient, features, units, units, 1}};
        product.precision = precision;
        product.beta = target.accumulate ? T{1} : T{0};
        ops::gemm(team, product, context.template at<std::byte>(workspace));
      });
}

template <class T>
void bias_gradient(PlanBuilder<T>& builder, const View& dz, const ParameterPtr<T>& bias) {
  const auto target = builder.begin_parameter(bias);
  if (target.gradient == nullptr) return;
  const Index units = bias->size(), rows = dz.rows;
  const double work = 0.1 * static_cast<double>(rows * units);
  if (!target.accumulate) {
    builder.step(
        "dense bias gradient", work, {dz.buffer},
        [=](const runtime::Team& team, const Context<T>& context) {
          ops::column_sums<T>(team, read_at(context, dz).data, dz.row_stride, rows, units,
                              target.gradient);
        },
        false);
    return;
  }
  const BufferId part = builder.buffer(units);
  builder.step("dense bias gradient", work, {dz.buffer, part},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::column_sums<T>(team, read_at(context, dz).data, dz.row_stride, rows, units,
                                     context.at(part));
                 team.barrier();
                 const runtime::Range range = team.share(units, 16);
                 for (Index j = range.begin; j < range.end; ++j) {
                   target.gradient[j] += context.at(part)[j];
                 }
               });
}

// The bias of the dense node behind a group, if its gradient is the sums of a matrix of that many
// columns: a reshape may have made the node's output wider or narrower.
template <class T>
ParameterPtr<T> bias_to_sum(const PlanBuilder<T>& builder, const Group<T>* group, Index cols) {
  if (group == nullptr || !builder.node(group->head).trainable) return nullptr;
  const auto* dense = std::get_if<DenseNode<T>>(&builder.node(group->head).operation);
  if (dense == nullptr || dense->bias == nullptr || dense->bias->size() != cols) return nullptr;
  return dense->bias;
}

template <class T>
void input_gradient(PlanBuilder<T>& builder, NodeId source, const View& dz,
                    const ParameterPtr<T>& kernel) {
  const Index features = kernel->shape()[0], units = kernel->shape()[1], rows = dz.rows;
  const bool adds = builder.adds_in_place(source);
  const BufferId dx = adds ? builder.gradient(source) : builder.begin_gradient(source);
  const BufferId workspace = product_workspace(builder, rows, features, units);
  std::vector<BufferId> uses{dz.buffer, dx, workspace};
  // What the node that made x does with dx is done while dx's tiles are in cache.
  const Group<T>* maker = builder.only_read_by_one(source);
  View saved;
  ActivationSpec derivative = {};
  if (maker != nullptr && maker->activation.kind != Activation::linear) {
    saved = builder.saved(*maker);
    // A reshape may have made the node's output wider or narrower; then it has a buffer of its own.
    saved.row_stride = saved.contiguous() ? features : saved.row_stride;
    derivative = maker->activation;
    builder.derivative_applied(source) = true;
    uses.push_back(saved.buffer);
  }
  BufferId mask = no_buffer;
  NoiseSpec dropout = {};
  if (maker != nullptr && maker->dropout >= 0) {
    mask = builder.dropout_mask(*maker);
    dropout = dropout_of(builder, *maker).noise;
    builder.derivative_applied(source) = true;
    uses.push_back(mask);
  }
  T* bias_gradient = nullptr;
  BufferId partial_sums = no_buffer;
  if (const auto bias = bias_to_sum(builder, maker, features); bias != nullptr) {
    const auto target = builder.begin_parameter(bias);
    if (target.gradient != nullptr && !target.accumulate) {
      bias_gradient = target.gradient;
      builder.bias_summed(source) = true;
      partial_sums = builder.buffer(ops::gemm_partial_sums<T>(rows, features));
      uses.push_back(partial_sums);
    }
  }
  builder.step(
      "dense input gradient", ops::gemm_work(rows, features, units), std::move(uses),
      [=, precision = builder.precision()](const runtime::Team& team, const Context<T>& context) {
        ops::Gemm<T> product{read_at(context, dz),
                             ops::transposed(matrix<T>(kernel->data(), features, units)),
                             {context.at(dx), rows, features, features, 1}};
        product.precision = precision;
        product.beta = adds ? T{1} : T{0};
        if (saved.buffer != no_buffer) {
          product.epilogue.saved = read_at(context, saved).data;
          product.epilogue.saved_stride = saved.row_stride;
          product.epilogue.derivative = derivative;
        }
        if (mask != no_buffer) {
          product.epilogue.dropout =
              ops::dropout_epilogue<T>(dropout, context.template at<std::uint64_t>(mask), features);
        }
        if (bias_gradient != nullptr) {
          product.column_sums = bias_gradient;
          product.partial_sums = context.at(partial_sums);
        }
        ops::gemm(team, product, context.template at<std::byte>(workspace));
      });
  if (!adds) builder.finish_gradient(source, dx);
}

}  // namespace

template <class T>
void dense_backward(PlanBuilder<T>& builder, const Group<T>& group, const DenseNode<T>& dense) {
  const View x = builder.matrix(group.inputs[0], dense.inputs());
  const View dz = builder.gradient_matrix(group.result, dense.units());
  if (builder.node(group.head).trainable) {
    if (!builder.bias_summed(group.result)) bias_gradient(builder, dz, dense.bias);
    kernel_gradient(builder, x, dz, dense.kernel);
  }
  if (builder.wants_gradient(group.inputs[0])) {
    input_gradient(builder, group.inputs[0], dz, dense.kernel);
  }
}

template void dense_forward(PlanBuilder<float>&, const Group<float>&, const DenseNode<float>&);
template void dense_forward(PlanBuilder<double>&, const Group<double>&, const DenseNode<double>&);
template void dense_backward(PlanBuilder<float>&, const Group<float>&, const DenseNode<float>&);
template void dense_backward(PlanBuilder<double>&, const Group<double>&, const DenseNode<double>&);

}  // namespace unitgain::nn
