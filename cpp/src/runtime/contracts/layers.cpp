#include <utility>

#include "runtime/contracts/checked.hpp"
#include "simd/kernels/activation.hpp"
#include "simd/kernels/loss.hpp"
#include "simd/kernels/noise.hpp"
#include "simd/kernels/normalization.hpp"
#include "simd/kernels/softmax.hpp"

namespace unitgain::runtime {

namespace {

template <class T, int kind>
const simd::ActivationKernel<T>* check_activation(const simd::ActivationKernel<T>* kernel) {
  using Kernel = simd::ActivationKernel<T>;
  if (kernel == nullptr) return nullptr;
  return checked_copy<kind>(*kernel, [](Kernel& table) {
    const auto gradient = [](const Kernel&, const T* at, const T* upstream, T* to, Index n,
                             const double*) {
      UNITGAIN_ASSERT(is_in_place_or_apart(vector(to, n), {vector(at, n), vector(upstream, n)}),
                      "activation.gradient: the gradient overlaps an input, or one is null");
    };
    check<&Kernel::forward, kind>(
        table, [](const Kernel&, const T* x, T* y, Index n, const double*) {
          UNITGAIN_ASSERT(is_in_place_or_apart(vector(y, n), {vector(x, n)}),
                          "activation.forward: y overlaps x, or one of them is null");
        });
    check<&Kernel::gradient, kind>(table, gradient);
    check<&Kernel::gradient_at_output, kind>(table, gradient);
  });
}

template <class T, int... kinds>
void check_activations(simd::ActivationKernels<T>& table,
                       std::integer_sequence<int, kinds...> /*all*/) {
  ((table.row[kinds] = check_activation<T, kinds>(table.row[kinds])), ...);
}

}  // namespace

template <class T>
const simd::ActivationKernels<T>* with_contracts(const simd::ActivationKernels<T>& kernels) {
  return checked_copy(kernels, [](simd::ActivationKernels<T>& table) {
    check_activations(table, std::make_integer_sequence<int, activation_count>());
  });
}

template <class T>
const simd::PreluKernels<T>* with_contracts(const simd::PreluKernels<T>& kernels) {
  using Prelu = simd::PreluKernels<T>;
  return checked_copy(kernels, [](Prelu& table) {
    check<&Prelu::forward>(table, [](const Prelu&, const T* x, const T* alpha, T* y, Index n) {
      UNITGAIN_ASSERT(is_in_place_or_apart(vector(y, n), {vector(x, n)}) &&
                          is_apart(vector(y, n), {vector(alpha, n)}),
                      "prelu.forward: y overlaps an input, or one of them is null");
    });
    check<&Prelu::gradient>(table, [](const Prelu&, const T* x, const T* alpha, const T* upstream,
                                      T* gradient, T* products, Index n) {
      const Area out = optional(gradient, vector(gradient, n));
      UNITGAIN_ASSERT(is_in_place_or_apart(out, {vector(x, n), vector(upstream, n)}) &&
                          is_apart(out, {vector(alpha, n)}),
                      "prelu.gradient: the gradient overlaps an input, or one is null");
      UNITGAIN_ASSERT(is_apart(optional(products, vector(products, n)),
                               {vector(x, n), vector(alpha, n), vector(upstream, n), out}),
                      "prelu.gradient: the products overlap another array");
    });
  });
}

template <class T>
const simd::SoftmaxKernels<T>* with_contracts(const simd::SoftmaxKernels<T>& kernels) {
  using Softmax = simd::SoftmaxKernels<T>;
  return checked_copy(kernels, [](Softmax& table) {
    const auto forward = [](const Softmax&, const T* x, T* y, Index rows, Index cols) {
      UNITGAIN_ASSERT(is_in_place_or_apart(vector(y, rows * cols), {vector(x, rows * cols)}),
                      "softmax: y overlaps x, or one of them is null");
    };
    const auto gradient = [](const Softmax&, const T* y, const T* upstream, T* to, Index rows,
                             Index cols) {
      const Index n = rows * cols;
      UNITGAIN_ASSERT(is_in_place_or_apart(vector(to, n), {vector(y, n), vector(upstream, n)}),
                      "softmax.gradient: the gradient overlaps an input, or one is null");
    };
    const auto forward_axis = [](const Softmax&, const T* x, T* y, Index length, Index stride,
                                 Index width) {
      UNITGAIN_ASSERT(is_in_place_or_apart(matrix(y, length, width, stride),
                                           {matrix(x, length, width, stride)}),
                      "softmax along an axis: y overlaps x, or one of them is null");
    };
    const auto gradient_axis = [](const Softmax&, const T* y, const T* upstream, T* to,
                                  Index length, Index stride, Index width) {
      UNITGAIN_ASSERT(is_in_place_or_apart(matrix(to, length, width, stride),
                                           {matrix(y, length, width, stride),
                                            matrix(upstream, length, width, stride)}),
                      "softmax.gradient along an axis: the gradient overlaps an input");
    };
    check<&Softmax::softmax>(table, forward);
    check<&Softmax::log_softmax>(table, forward);
    check<&Softmax::gradient>(table, gradient);
    check<&Softmax::log_gradient>(table, gradient);
    check<&Softmax::softmax_axis>(table, forward_axis);
    check<&Softmax::log_softmax_axis>(table, forward_axis);
    check<&Softmax::gradient_axis>(table, gradient_axis);
    check<&Softmax::log_gradient_axis>(table, gradient_axis);
    check<&Softmax::argmax>(
        table, [](const Softmax&, const T* x, Index rows, Index cols, std::int32_t* indices) {
          UNITGAIN_ASSERT(rows == 0 || cols > 0, "softmax.argmax: rows without columns");
          UNITGAIN_ASSERT(is_apart(vector(indices, rows), {vector(x, rows * cols)}),
                          "softmax.argmax: the indices overlap x, or one of them is null");
        });
  });
}

namespace {

// The targets' columns are the loss's affair: one at least for each row.
template <class T>
void check_rows(const LossSpec& spec, const simd::LossRows<T>& rows) {
  const Index n = rows.rows * rows.cols;
  const Area outputs = vector(rows.outputs, n);
  UNITGAIN_ASSERT(rows.rows == 0 || rows.targets != nullptr || rows.labels != nullptr,
                  "loss: neither targets nor labels");
  UNITGAIN_ASSERT(
      is_in_place_or_apart(optional(rows.gradient, vector(rows.gradient, n)), {outputs}),
      "loss: the gradient overlaps the outputs, or they are null");
  UNITGAIN_ASSERT(is_apart(vector(rows.row_losses, rows.rows), {outputs}),
                  "loss: the rows' losses overlap the outputs, or are null");
  UNITGAIN_ASSERT(is_apart(optional(rows.predicted, vector(rows.predicted, rows.rows)), {outputs}),
                  "loss: the predicted labels overlap the outputs");
  for (Index i = 0; rows.labels != nullptr && i < rows.rows; ++i) {
    const std::int32_t label = rows.labels[i];
    UNITGAIN_ASSERT(
        (label >= 0 && label < rows.cols) || (spec.ignores_class && label == spec.ignore_class),
        "loss: a label is no column, nor the ignored class");
  }
}

template <class T, int kind>
void call_loss(const LossSpec& spec, const simd::LossRows<T>& rows) {
  check_rows(spec, rows);
  bare<simd::LossKernels<T>>->row[kind](spec, rows);
}

template <class T, int... kinds>
void check_losses(simd::LossKernels<T>& table, std::integer_sequence<int, kinds...> /*all*/) {
  ((table.row[kinds] = call_loss<T, kinds>), ...);
}

}  // namespace

template <class T>
const simd::LossKernels<T>* with_contracts(const simd::LossKernels<T>& kernels) {
  using Loss = simd::LossKernels<T>;
  return checked_copy(kernels, [](Loss& table) {
    check_losses(table, std::make_integer_sequence<int, kernel_loss_count>());
    check<&Loss::binary_accuracy>(
        table, [](const Loss&, const LossSpec& spec, const simd::LossRows<T>& rows) {
          check_rows(spec, rows);
        });
  });
}

template <class T>
const simd::ColumnKernels<T>* with_contracts(const simd::ColumnKernels<T>& kernels) {
  using Column = simd::ColumnKernels<T>;
  return checked_copy(kernels, [](Column& table) {
    check<&Column::sum>(
        table, [](const Column&, const T* x, Index row_stride, Index rows, Index cols, T* sums) {
          UNITGAIN_ASSERT(is_apart(vector(sums, cols), {matrix(x, rows, cols, row_stride)}),
                          "column.sum: the sums overlap x, or one of them is null");
        });
    check<&Column::moments>(table, [](const Column&, const T* x, Index row_stride, Index rows,
                                      Index cols, T* mean, T* residual, T* variance) {
      UNITGAIN_ASSERT(rows > 0, "column.moments: there are no rows");
      const Area input = matrix(x, rows, cols, row_stride);
      UNITGAIN_ASSERT(
          is_apart(vector(mean, cols), {input, vector(residual, cols), vector(variance, cols)}) &&
              is_apart(vector(residual, cols), {input, vector(variance, cols)}) &&
              is_apart(vector(variance, cols), {input}),
          "column.moments: a result overlaps another array, or one of them is null");
    });
    check<&Column::prepare_normalize>(table, [](const Column&, Index cols, const T* residual,
                                                const T* variance, const T* gamma, const T* beta, T,
                                                T* inverse_deviation, T* scale, T* shift) {
      const Area inputs[] = {optional(residual, vector(residual, cols)), vector(variance, cols),
                             optional(gamma, vector(gamma, cols)),
                             optional(beta, vector(beta, cols))};
      for (T* out : {inverse_deviation, scale, shift}) {
        UNITGAIN_ASSERT(
            is_in_place_or_apart(vector(out, cols), {inputs[0], inputs[1], inputs[2], inputs[3]}),
            "column.prepare_normalize: a result overlaps an input, or is null");
      }
      UNITGAIN_ASSERT(
          is_apart(vector(shift, cols), {vector(inverse_deviation, cols), vector(scale, cols)}),
          "column.prepare_normalize: the shift overlaps a factor");
    });
    check<&Column::move_average>(
        table, [](const Column&, T* average, const T* value, Index cols, T, T) {
          UNITGAIN_ASSERT(is_apart(vector(average, cols), {vector(value, cols)}),
                          "column.move_average: the average is the value, or one is null");
        });
    check<&Column::normalize>(
        table, [](const Column&, const T* x, Index x_stride, T* y, Index y_stride, Index rows,
                  Index cols, const T* mean, const T* scale, const T* shift) {
          const Area out = matrix(y, rows, cols, y_stride);
          UNITGAIN_ASSERT(
              is_in_place_or_apart(out, {matrix(x, rows, cols, x_stride)}) &&
                  is_apart(out, {vector(mean, cols), vector(scale, cols), vector(shift, cols)}),
              "column.normalize: y overlaps an input, or one of them is null");
        });
    check<&Column::normalize_gradient_sums>(
        table, [](const Column&, const T* x, Index x_stride, const T* upstream,
                  Index upstream_stride, Index rows, Index cols, const T* mean, const T* residual,
                  const T* inverse_deviation, T* sum_upstream, T* sum_product) {
          for (T* out : {sum_upstream, sum_product}) {
            UNITGAIN_ASSERT(
                is_apart(
                    vector(out, cols),
                    {matrix(x, rows, cols, x_stride), matrix(upstream, rows, cols, upstream_stride),
                     vector(mean, cols), vector(residual, cols), vector(inverse_deviation, cols)}),
                "column.normalize_gradient_sums: a sum overlaps an input, or one is null");
          }
          UNITGAIN_ASSERT(is_apart(vector(sum_upstream, cols), {vector(sum_product, cols)}),
                          "column.normalize_gradient_sums: the sums overlap");
        });
    check<&Column::prepare_normalize_gradient>(
        table, [](const Column&, Index cols, Index rows, const T* gamma, const T* inverse_deviation,
                  const T* sum_upstream, const T* sum_product, T* factor, T* mean_upstream,
                  T* mean_product) {
          UNITGAIN_ASSERT(rows > 0, "column.prepare_normalize_gradient: there are no rows");
          for (T* out : {factor, mean_upstream, mean_product}) {
            UNITGAIN_ASSERT(
                is_in_place_or_apart(
                    vector(out, cols),
                    {optional(gamma, vector(gamma, cols)), vector(inverse_deviation, cols),
                     vector(sum_upstream, cols), vector(sum_product, cols)}),
                "column.prepare_normalize_gradient: a result overlaps an input, or is null");
          }
        });
    check<&Column::normalize_gradient>(
        table, [](const Column&, const T* x, Index x_stride, const T* upstream,
                  Index upstream_stride, T* gradient, Index gradient_stride, Index rows, Index cols,
                  const T* mean, const T* residual, const T* inverse_deviation, const T* factor,
                  const T* mean_upstream, const T* mean_product) {
          const Area out = matrix(gradient, rows, cols, gradient_stride);
          UNITGAIN_ASSERT(
              is_in_place_or_apart(out, {matrix(x, rows, cols, x_stride),
                                         matrix(upstream, rows, cols, upstream_stride)}),
              "column.normalize_gradient: the gradient overlaps x or upstream");
          UNITGAIN_ASSERT(is_apart(out, {vector(mean, cols), vector(residual, cols),
                                         vector(inverse_deviation, cols), vector(factor, cols),
                                         vector(mean_upstream, cols), vector(mean_product, cols)}),
                          "column.normalize_gradient: the gradient overlaps a column's figure");
        });
  });
}

template <class T>
const simd::RowKernels<T>* with_contracts(const simd::RowKernels<T>& kernels) {
  using Row = simd::RowKernels<T>;
  return checked_copy(kernels, [](Row& table) {
    check<&Row::normalize>(table, [](const Row&, const T* x, T* y, Index rows, Index cols,
                                     const T* gamma, const T* beta, T, T* mean, T* residual,
                                     T* inverse_deviation) {
      const Area out = vector(y, rows * cols);
      UNITGAIN_ASSERT(cols > 0, "row.normalize: there are no columns");
      UNITGAIN_ASSERT(is_in_place_or_apart(out, {vector(x, rows * cols)}),
                      "row.normalize: y overlaps x, or one of them is null");
      UNITGAIN_ASSERT(is_apart(out, {optional(gamma, vector(gamma, cols)),
                                     optional(beta, vector(beta, cols)), vector(mean, rows),
                                     vector(residual, rows), vector(inverse_deviation, rows)}),
                      "row.normalize: y overlaps a parameter or a row's figure, or one is null");
    });
    check<&Row::gradient>(
        table, [](const Row&, const T* x, const T* upstream, T* gradient, Index rows, Index cols,
                  const T* gamma, const T* mean, const T* residual, const T* inverse_deviation) {
          const Index n = rows * cols;
          UNITGAIN_ASSERT(cols > 0, "row.gradient: there are no columns");
          UNITGAIN_ASSERT(
              is_in_place_or_apart(vector(gradient, n), {vector(x, n), vector(upstream, n)}) &&
                  is_apart(vector(gradient, n),
                           {optional(gamma, vector(gamma, cols)), vector(mean, rows),
                            vector(residual, rows), vector(inverse_deviation, rows)}),
              "row.gradient: the gradient overlaps an input, or one of them is null");
        });
    check<&Row::parameter_sums>(
        table, [](const Row&, const T* x, const T* upstream, Index rows, Index cols, const T* mean,
                  const T* residual, const T* inverse_deviation, T* sum_product, T* sum_upstream) {
          const Index n = rows * cols;
          for (T* out : {sum_product, sum_upstream}) {
            UNITGAIN_ASSERT(is_apart(vector(out, cols),
                                     {vector(x, n), vector(upstream, n), vector(mean, rows),
                                      vector(residual, rows), vector(inverse_deviation, rows)}),
                            "row.parameter_sums: a sum overlaps an input, or one of them is null");
          }
          UNITGAIN_ASSERT(is_apart(vector(sum_product, cols), {vector(sum_upstream, cols)}),
                          "row.parameter_sums: the sums overlap");
        });
  });
}

namespace {

template <class T, int kind>
void check_noise(simd::NoiseKernel<T>& row) {
  using Kernel = simd::NoiseKernel<T>;
  static const Kernel before = row;
  bare<Kernel, kind> = &before;
  check<&Kernel::forward, kind>(row, [](const Kernel&, const T* x, T* y, Index n,
                                        const simd::RandomPlace&, const simd::NoiseSettings<T>&) {
    UNITGAIN_ASSERT(is_in_place_or_apart(vector(y, n), {vector(x, n)}),
                    "noise.forward: y overlaps x, or one of them is null");
  });
  check<&Kernel::gradient, kind>(row, [](const Kernel&, const T* x, const T* upstream, T* gradient,
                                         Index n, const simd::RandomPlace&,
                                         const simd::NoiseSettings<T>&) {
    UNITGAIN_ASSERT(is_in_place_or_apart(vector(gradient, n), {vector(x, n), vector(upstream, n)}),
                    "noise.gradient: the gradient overlaps an input, or one is null");
  });
}

template <class T, int... kinds>
void check_noises(simd::NoiseKernels<T>& table, std::integer_sequence<int, kinds...> /*all*/) {
  (check_noise<T, kinds>(table.row[kinds]), ...);
}

}  // namespace

template <class T>
const simd::NoiseKernels<T>* with_contracts(const simd::NoiseKernels<T>& kernels) {
  using Noises = simd::NoiseKernels<T>;
  return checked_copy(kernels, [](Noises& table) {
    check_noises(table, std::make_integer_sequence<int, noise_count>());
    check<&Noises::keep_bits>(table, [](const Noises&, std::uint64_t* bits, Index groups,
                                        const simd::RandomPlace& place, std::uint32_t) {
      UNITGAIN_ASSERT(place.first % simd::noise_group == 0,
                      "noise.keep_bits: the position is no multiple of 64");
      UNITGAIN_ASSERT(are_there({vector(bits, groups)}), "noise.keep_bits: the bits are null");
    });
  });
}

#define UNITGAIN_INSTANTIATE(Family)                                                     \
  template const simd::Family<float>* with_contracts<float>(const simd::Family<float>&); \
  template const simd::Family<double>* with_contracts<double>(const simd::Family<double>&);
UNITGAIN_INSTANTIATE(ActivationKernels)
UNITGAIN_INSTANTIATE(PreluKernels)
UNITGAIN_INSTANTIATE(SoftmaxKernels)
UNITGAIN_INSTANTIATE(LossKernels)
UNITGAIN_INSTANTIATE(ColumnKernels)
UNITGAIN_INSTANTIATE(RowKernels)
UNITGAIN_INSTANTIATE(NoiseKernels)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::runtime
