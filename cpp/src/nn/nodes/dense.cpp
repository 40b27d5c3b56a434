// Dense: z = x W + b, y = f(z). Backward, with dz = dy f'(z): dW = x^T dz, db = sum of dz's rows,
// dx = dz W^T.
#include "base/shape_text.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "nn/normalization.hpp"
#include "ops/activation.hpp"
#include "ops/column_sums.hpp"
#include "ops/fold_batch_norm.hpp"
#include "ops/gemm.hpp"
#include "ops/gemm_int8.hpp"
#include "ops/noise.hpp"
#include "ops/packed_panels.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Dense final : public Kind<Dense<T>, T> {
 public:
  static constexpr const char* kind_name = "dense";

  Dense() = default;
  Dense(ParameterPtr<T> kernel, ParameterPtr<T> bias)
      : kernel_(std::move(kernel)), bias_(std::move(bias)) {}

  // A packed kernel as the products use it.
  Content<T> content() override {
    if (is_frozen()) kernel_ = unpacked();
    return {{{"kernel", &kernel_, true}, {"bias", &bias_, true}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override;
  void freeze(Precision precision, DenseWeights weights) override;
  bool is_frozen() const override { return packed_ != nullptr || quantized_ != nullptr; }

  bool takes(const Epilogue<T>&) const override { return true; }
  bool takes_rows_apart() const override { return true; }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

  Index inputs() const {
    return packed_ != nullptr      ? packed_->rows()
           : quantized_ != nullptr ? quantized_->rows()
                                   : kernel_->shape()[0];
  }
  Index units() const {
    return packed_ != nullptr      ? packed_->cols()
           : quantized_ != nullptr ? quantized_->cols()
                                   : kernel_->shape()[1];
  }
  const ParameterPtr<T>& bias() const { return bias_; }

 private:
  bool quantize(DenseWeights weights);
  ParameterPtr<T> unpacked() const;
  BufferId forward_workspace(PlanBuilder<T>& builder, Index rows) const;
  void fold_norm(PlanBuilder<T>& builder, const FixedNorm<T>& norm, BufferId scale,
                 BufferId shift) const;

  ParameterPtr<T> kernel_;  // (inputs, units); null if frozen
  ParameterPtr<T> bias_;    // (units), or null
  // Of a frozen graph, one of them.
  std::shared_ptr<const PackedMatrix<T>> packed_ = nullptr;
  std::shared_ptr<const ops::QuantizedMatrix> quantized_ = nullptr;
};

template <class T>
SampleShape Dense<T>::bind(std::span<const SampleShape> given) {
  const SampleShape shape = given[0];
  if (kernel_ == nullptr) throw ValueError("kernel is missing");
  if (kernel_->shape().size() != 2 || kernel_->shape()[0] != shape.cols) {
    throw ValueError("kernel has shape " + base::shape_text(kernel_->shape()) + ", but x has " +
                     std::to_string(shape.cols) + " features");
  }
  if (bias_ != nullptr && bias_->shape() != std::vector<Index>{units()}) {
    throw ValueError("bias has shape " + base::shape_text(bias_->shape()) + ", but kernel has " +
                     std::to_string(units()) + " units");
  }
  return {shape.rows, units()};
}

template <class T>
void Dense<T>::freeze(Precision precision, DenseWeights weights) {
  this->copy_parameter(bias_);
  if (is_frozen() || quantize(weights)) return;
  packed_ = std::make_shared<const PackedMatrix<T>>(
      MatrixView<const T>{kernel_->data(), inputs(), units(), units(), 1}, precision);
  kernel_ = nullptr;
}

// Whether the kernel became one of 8 bits.
template <class T>
bool Dense<T>::quantize(DenseWeights weights) {
  if constexpr (std::is_same_v<T, float>) {
    if (weights != DenseWeights::int8 || !ops::QuantizedMatrix::takes_depth(inputs())) return false;
    const Int8Values* known = kernel_->int8_values();
    quantized_ = std::make_shared<const ops::QuantizedMatrix>(
        known != nullptr
            ? ops::QuantizedMatrix(inputs(), units(), known->values, known->scales)
            : ops::QuantizedMatrix::of({kernel_->data(), inputs(), units(), units(), 1},
                                       kernel_->name().c_str()));
    kernel_ = nullptr;
    return true;
  }
  return false;
}

template <class T>
ParameterPtr<T> Dense<T>::unpacked() const {
  auto kernel = std::make_shared<Parameter<T>>("kernel", std::vector<Index>{inputs(), units()});
  const MatrixView<T> to{kernel->data(), inputs(), units(), units(), 1};
  if constexpr (std::is_same_v<T, float>) {
    if (quantized_ != nullptr) quantized_->unpack(to);
  }
  if (packed_ != nullptr) packed_->unpack(to);
  return kernel;
}

template <class T>
MatrixView<const T> matrix(const T* data, Index rows, Index cols) {
  return {data, rows, cols, cols, 1};
}

template <class T>
BufferId product_workspace(PlanBuilder<T>& builder, Index m, Index n, Index k) {
  return builder.workspace(ops::gemm_workspace<T>(m, n, k, builder.threads(), builder.precision()));
}

template <class T>
BufferId Dense<T>::forward_workspace(PlanBuilder<T>& builder, Index rows) const {
  if (quantized_ != nullptr) {
    quantized_->check_kernels();
    return builder.workspace(ops::gemm_int8_workspace(rows, inputs(), builder.threads()));
  }
  if (packed_ == nullptr) return product_workspace(builder, rows, units(), inputs());
  packed_->content().panels.check_kernels();
  return builder.workspace(ops::gemm_workspace<T>(rows, units(), inputs(), builder.threads(),
                                                  packed_->precision(), true));
}

// The mask of the group's dropout, for the forward pass and the product that makes the gradient;
// no_buffer if there is none.
template <class T>
BufferId dropout_mask(PlanBuilder<T>& builder, const Group<T>& group) {
  if (!group.dropout) return no_buffer;
  const Index n = builder.values(group.result);
  builder.draws();
  const BufferId bits = builder.dropout_mask(group);
  builder.step("dropout mask", 0.3 * static_cast<double>(n), {bits},
               [=, dropout = *group.dropout](const runtime::Team& team, const Context<T>& context) {
                 ops::dropout_mask(team, dropout.noise, n, dropout.key, context.step,
                                   context.template at<std::uint64_t>(bits));
               });
  return bits;
}

// Scale and shift that stand for the batch norm behind the product, and for the bias before it.
template <class T>
void Dense<T>::fold_norm(PlanBuilder<T>& builder, const FixedNorm<T>& norm, BufferId scale,
                         BufferId shift) const {
  builder.step(
      "fold batch norm", static_cast<double>(units()), {scale, shift},
      [=, bias = bias_, features = units()](const runtime::Team& team, const Context<T>& context) {
        ops::fold_batch_norm<T>(team, features, data_or_null(bias), parameters_of<T>(norm),
                                {norm.mean->data(), norm.variance->data()}, context.at(scale),
                                context.at(shift));
      });
}

template <class T>
void multiply(const runtime::Team& team, const ops::Gemm<T>& product,
              const ops::QuantizedMatrix* quantized, std::byte* workspace) {
  if constexpr (std::is_same_v<T, float>) {
    if (quantized != nullptr) return ops::gemm_int8(team, product, *quantized, workspace);
  }
  ops::gemm(team, product, workspace);
}

template <class T>
void Dense<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index rows = builder.rows(group.head);
  const Index features = inputs(), units = this->units();
  const View x = builder.matrix(group.inputs[0], features);
  const View y = builder.matrix(group.result, units);
  const BufferId workspace = forward_workspace(builder, rows);
  std::vector<BufferId> uses{x.buffer, y.buffer, workspace};

  // The pre-activation is kept only where the backward pass will want it.
  View z = y;
  if (differentiates(builder.mode()) && activation_info(group.activation.kind).saves_input) {
    z = builder.saved(group);
    uses.push_back(z.buffer);
  }
  BufferId scale = no_buffer, shift = no_buffer;
  if (group.norm) {
    scale = builder.buffer(units);
    shift = builder.buffer(units);
    uses.insert(uses.end(), {scale, shift});
    fold_norm(builder, *group.norm, scale, shift);
  }
  const BufferId mask = dropout_mask(builder, group);
  if (mask != no_buffer) uses.push_back(mask);
  const NoiseSpec dropout = mask == no_buffer ? NoiseSpec{} : group.dropout->noise;
  const ActivationSpec activation = group.activation;
  const double work = quantized_ != nullptr ? ops::gemm_int8_work(rows, units, features)
                                            : ops::gemm_work(rows, units, features);
  builder.step(
      "dense", work, std::move(uses),
      [=, precision = builder.precision(), kernel = kernel_, bias = bias_, packed = packed_,
       quantized = quantized_](const runtime::Team& team, const Context<T>& context) {
        ops::Gemm<T> product;
        product.a = read_at(context, x);
        product.c = at(context, z);
        product.precision = precision;
        if (packed != nullptr) {
          packed->content().panels.operand_of(product);
        } else if (quantized == nullptr) {
          product.b = matrix<T>(kernel->data(), features, units);
        }
        product.epilogue.activation = activation;
        product.epilogue.bias = data_or_null(bias);
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
        multiply(team, product, quantized.get(), context.template at<std::byte>(workspace));
      });
}

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
  const auto* dense = dynamic_cast<const Dense<T>*>(builder.node(group->head).operation.get());
  if (dense == nullptr || dense->bias() == nullptr || dense->bias()->size() != cols) return nullptr;
  return dense->bias();
}

template <class T>
void input_gradient(PlanBuilder<T>& builder, NodeId source, const View& dz,
                    const ParameterPtr<T>& kernel) {
  const Index features = kernel->shape()[0], units = kernel->shape()[1], rows = dz.rows;
  const bool adds = builder.adds_in_place(source);
  const BufferId dx = adds ? builder.gradient(source) : builder.begin_gradient(source);
  const BufferId workspace = product_workspace(builder, rows, features, units);
  std::vector<BufferId> uses{dz.buffer, dx, workspace};
  // The epilogue of the node that made x is applied to dx's tiles while they are in cache.
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
  if (maker != nullptr && maker->dropout) {
    mask = builder.dropout_mask(*maker);
    dropout = maker->dropout->noise;
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

template <class T>
void Dense<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const View x = builder.matrix(group.inputs[0], inputs());
  const View dz = builder.gradient_matrix(group.result, units());
  if (builder.node(group.head).trainable) {
    if (!builder.bias_summed(group.result)) bias_gradient(builder, dz, bias_);
    kernel_gradient(builder, x, dz, kernel_);
  }
  if (builder.wants_gradient(group.inputs[0])) {
    input_gradient(builder, group.inputs[0], dz, kernel_);
  }
}

}  // namespace

UNITGAIN_NODE_KIND(dense, Dense);

}  // namespace nn

template <class T>
NodeId Graph<T>::dense(NodeId x, ParameterPtr<T> kernel, ParameterPtr<T> bias, bool trainable) {
  return append(std::make_shared<nn::Dense<T>>(std::move(kernel), std::move(bias)), {x}, trainable);
}
template NodeId Graph<float>::dense(NodeId, ParameterPtr<float>, ParameterPtr<float>, bool);
template NodeId Graph<double>::dense(NodeId, ParameterPtr<double>, ParameterPtr<double>, bool);

}  // namespace unitgain
