// unitgain._native.ops: the operations below the public API, one by one and on a given number of
// threads, so that each can be tested on its own. Arrays are C-contiguous; matrices have two
// dimensions. Nothing else uses these functions.
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <optional>

#include "common.hpp"
#include "ops/batch_norm.hpp"
#include "ops/column_sums.hpp"
#include "ops/layer_norm.hpp"
#include "ops/loss.hpp"
#include "ops/softmax.hpp"
#include "ops/transpose.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/loss.hpp"

namespace unitgain::bindings {

namespace {

using runtime::Team;
using Labels = py::array_t<std::int32_t>;

py::array require(py::array array, const char* name, const py::array& like, bool same_shape) {
  if (!array.dtype().is(like.dtype()) && !array.dtype().equal(like.dtype())) {
    throw TypeError(std::string(name) + " has another dtype than the first array");
  }
  if (!(array.flags() & py::array::c_style)) {
    throw ValueError(std::string(name) + " must be C-contiguous");
  }
  const Index expected = same_shape ? like.size() : like.shape(like.ndim() - 1);
  if (array.size() != expected) {
    throw ValueError(std::string(name) + " has " + std::to_string(array.size()) +
                     " values, expected " + std::to_string(expected));
  }
  return array;
}

// Pointers to an array of the first one's dtype: as large as it, or one value for each of its
// columns.
template <class T>
const T* values(const py::array& array, const char* name, const py::array& like) {
  return static_cast<const T*>(require(array, name, like, true).data());
}
template <class T>
T* mutable_values(py::array& array, const char* name, const py::array& like) {
  return static_cast<T*>(require(array, name, like, true).mutable_data());
}
template <class T>
const T* columns(const std::optional<py::array>& array, const char* name, const py::array& like) {
  return array ? static_cast<const T*>(require(*array, name, like, false).data()) : nullptr;
}
template <class T>
T* mutable_columns(py::array& array, const char* name, const py::array& like) {
  return static_cast<T*>(require(array, name, like, false).mutable_data());
}

void require_matrix(const py::array& x) {
  if (x.ndim() != 2) throw ValueError("expected a matrix, got shape " + shape_text(x));
}

template <class T>
py::array_t<T> like_of(const py::array& x) {
  return new_array<T>(shape_of(x));
}

py::tuple cross_entropy(const py::array& rows, const Labels& labels, double scale, int threads,
                        bool from_logits, bool with_gradient) {
  require_matrix(rows);
  if (labels.size() != rows.shape(0)) throw ValueError("one label for each row is needed");
  for (py::ssize_t i = 0; i < labels.size(); ++i) {
    if (labels.at(i) < 0 || labels.at(i) >= rows.shape(1)) throw ValueError("label out of range");
  }
  return dispatch_float(rows, "rows", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    py::array_t<double> losses(rows.shape(0));
    py::array_t<std::int32_t> predicted(rows.shape(0));
    // Written over a copy of the input, as training does.
    py::array_t<T> gradient = like_of<T>(rows);
    const T* input = values<T>(rows, "rows", rows);
    T* output = nullptr;
    if (with_gradient) {
      output = gradient.mutable_data();
      std::copy(input, input + rows.size(), output);
      input = output;
    }
    LossSpec spec = loss_spec(LossKind::sparse_categorical_crossentropy);
    spec.from_logits = from_logits;
    simd::LossRows<T> part{};
    part.outputs = input;
    part.labels = labels.data();
    part.rows = rows.shape(0);
    part.cols = rows.shape(1);
    part.scale = static_cast<T>(scale);
    part.gradient = output;
    part.row_losses = losses.mutable_data();
    part.predicted = predicted.mutable_data();
    runtime::parallel(threads, [&](const Team& team) { ops::loss<T>(team, spec, part); });
    return py::make_tuple(losses, predicted, with_gradient ? py::object(gradient) : py::none());
  });
}

// x seen as (outer, axis, inner) around its dimension `axis`; its gradient if upstream is given.
py::array softmax(const py::array& x, int axis, bool logarithm,
                  const std::optional<py::array>& upstream, int threads) {
  Index outer = 1, inner = 1;
  for (int d = 0; d < axis; ++d) outer *= x.shape(d);
  for (int d = axis + 1; d < static_cast<int>(x.ndim()); ++d) inner *= x.shape(d);
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    py::array_t<T> y = like_of<T>(x), gradient;
    if (upstream) gradient = like_of<T>(x);
    const T* input = values<T>(x, "x", x);
    const T* up = upstream ? values<T>(*upstream, "upstream", x) : nullptr;
    T* output = y.mutable_data();
    T* slope = upstream ? gradient.mutable_data() : nullptr;
    const Index length = x.shape(axis);
    const auto forward = logarithm ? ops::log_softmax<T> : ops::softmax<T>;
    const auto backward = logarithm ? ops::log_softmax_gradient<T> : ops::softmax_gradient<T>;
    runtime::parallel(threads, [&](const Team& team) {
      forward(team, input, output, outer, length, inner);
      if (up != nullptr) backward(team, output, up, slope, outer, length, inner);
    });
    return upstream ? gradient : y;
  });
}

template <class T>
ops::NormParameters<T> norm_parameters(const std::optional<py::array>& gamma,
                                       const std::optional<py::array>& beta, double epsilon,
                                       const py::array& x) {
  return {columns<T>(gamma, "gamma", x), columns<T>(beta, "beta", x), static_cast<T>(epsilon)};
}

py::tuple batch_norm_train(const py::array& x, const std::optional<py::array>& gamma,
                           const std::optional<py::array>& beta, double epsilon, double momentum,
                           py::array moving_mean, py::array moving_variance, int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    py::array_t<T> y = like_of<T>(x), mean(x.shape(1)), residual(x.shape(1));
    py::array_t<T> inverse(x.shape(1)), scale(x.shape(1));
    const auto parameters = norm_parameters<T>(gamma, beta, epsilon, x);
    const ops::MovingStatistics<T> moving = {
        mutable_columns<T>(moving_mean, "moving_mean", x),
        mutable_columns<T>(moving_variance, "moving_variance", x)};
    // Taken here: what counts references must not run on the team's threads.
    const T* input = values<T>(x, "x", x);
    runtime::parallel(threads, [&](const Team& team) {
      ops::batch_norm_train<T>(
          team, input, y.mutable_data(), x.shape(0), x.shape(1), parameters, momentum, moving,
          {mean.mutable_data(), residual.mutable_data(), inverse.mutable_data()},
          scale.mutable_data());
    });
    return py::make_tuple(y, mean, residual, inverse);
  });
}

py::array batch_norm_infer(const py::array& x, const std::optional<py::array>& gamma,
                           const std::optional<py::array>& beta, double epsilon,
                           const py::array& moving_mean, const py::array& moving_variance,
                           int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    py::array_t<T> y = like_of<T>(x), scale(x.shape(1));
    const auto parameters = norm_parameters<T>(gamma, beta, epsilon, x);
    const ops::MovingStatistics<const T> moving = {
        columns<T>(moving_mean, "moving_mean", x),
        columns<T>(moving_variance, "moving_variance", x)};
    runtime::parallel(threads, [&](const Team& team) {
      ops::batch_norm_infer<T>(team, static_cast<const T*>(x.data()), y.mutable_data(), x.shape(0),
                               x.shape(1), parameters, moving, scale.mutable_data());
    });
    return y;
  });
}

py::tuple batch_norm_gradient(const py::array& x, const py::array& upstream,
                              const std::optional<py::array>& gamma, const py::array& mean,
                              const py::array& residual, const py::array& inverse_deviation,
                              bool with_gradient, int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    py::array_t<T> gradient = like_of<T>(x);
    py::array_t<T> gamma_gradient(x.shape(1)), beta_gradient(x.shape(1)), scratch(3 * x.shape(1));
    const T* input = values<T>(x, "x", x);
    const T* up = values<T>(upstream, "upstream", x);
    const T* gammas = columns<T>(gamma, "gamma", x);
    const ops::NormStatistics<const T> kept = {
        columns<T>(mean, "mean", x), columns<T>(residual, "residual", x),
        columns<T>(inverse_deviation, "inverse_deviation", x)};
    runtime::parallel(threads, [&](const Team& team) {
      ops::batch_norm_gradient<T>(team, input, up, x.shape(0), x.shape(1), gammas, kept,
                                  {with_gradient ? gradient.mutable_data() : nullptr,
                                   gamma_gradient.mutable_data(), beta_gradient.mutable_data()},
                                  scratch.mutable_data());
    });
    return py::make_tuple(with_gradient ? py::object(gradient) : py::none(), gamma_gradient,
                          beta_gradient);
  });
}

py::tuple layer_norm(const py::array& x, const py::array& upstream,
                     const std::optional<py::array>& gamma, const std::optional<py::array>& beta,
                     double epsilon, int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    const Index rows = x.shape(0), cols = x.shape(1);
    py::array_t<T> y = like_of<T>(x), gradient = like_of<T>(x);
    py::array_t<T> gamma_gradient(cols), beta_gradient(cols);
    py::array_t<T> scratch(ops::layer_norm_scratch(rows, cols));
    py::array_t<T> mean(rows), residual(rows), inverse(rows);
    const T* input = values<T>(x, "x", x);
    const T* up = values<T>(upstream, "upstream", x);
    const auto parameters = norm_parameters<T>(gamma, beta, epsilon, x);
    const ops::NormStatistics<T> kept = {mean.mutable_data(), residual.mutable_data(),
                                         inverse.mutable_data()};
    runtime::parallel(threads, [&](const Team& team) {
      ops::layer_norm<T>(team, input, y.mutable_data(), rows, cols, parameters, kept);
      team.barrier();
      ops::layer_norm_gradient<T>(
          team, input, up, rows, cols, parameters.gamma, kept,
          {gradient.mutable_data(), gamma_gradient.mutable_data(), beta_gradient.mutable_data()},
          scratch.mutable_data());
    });
    return py::make_tuple(y, gradient, gamma_gradient, beta_gradient);
  });
}

py::array transpose(const py::array& x, Index outer, Index rows, Index cols, int threads) {
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    if (x.size() != outer * rows * cols) throw ValueError("x has another size");
    py::array_t<T> y = like_of<T>(x);
    const T* input = values<T>(x, "x", x);
    runtime::parallel(threads, [&](const Team& team) {
      ops::transpose<T>(team, input, y.mutable_data(), outer, rows, cols);
    });
    return y;
  });
}

py::array column_sums(const py::array& x, int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    const MatrixView<const T> view = matrix_view<T>(x);
    if (view.col_stride != 1 && view.cols > 1 && view.rows > 0)
      throw ValueError("columns must be neighbours");
    py::array_t<T> sums(x.shape(1));
    runtime::parallel(threads, [&](const Team& team) {
      ops::column_sums<T>(team, view.data, view.row_stride, view.rows, view.cols,
                          sums.mutable_data());
    });
    return sums;
  });
}

}  // namespace

void bind_ops_for_tests(py::module_& module) {
  py::module_ ops = module.def_submodule("ops", "Single operations, for tests.");
  ops.def("cross_entropy", &cross_entropy, py::arg("rows"), py::arg("labels"), py::arg("scale"),
          py::kw_only(), py::arg("threads") = 1, py::arg("from_logits") = true,
          py::arg("with_gradient") = true, "(losses, predicted classes, gradient or None)");
  ops.def("softmax", &softmax, py::arg("x"), py::arg("axis"), py::kw_only(),
          py::arg("logarithm") = false, py::arg("upstream") = py::none(), py::arg("threads") = 1,
          "(log-)softmax along an axis, or with `upstream` its gradient");
  ops.def(
      "batch_norm_train", &batch_norm_train, py::arg("x"), py::arg("gamma"), py::arg("beta"),
      py::arg("epsilon"), py::arg("momentum"), py::arg("moving_mean"), py::arg("moving_variance"),
      py::kw_only(), py::arg("threads") = 1,
      "(y, mean, its residual, inverse deviation); the moving statistics are updated in place.");
  ops.def("batch_norm_infer", &batch_norm_infer, py::arg("x"), py::arg("gamma"), py::arg("beta"),
          py::arg("epsilon"), py::arg("moving_mean"), py::arg("moving_variance"), py::kw_only(),
          py::arg("threads") = 1);
  ops.def("batch_norm_gradient", &batch_norm_gradient, py::arg("x"), py::arg("upstream"),
          py::arg("gamma"), py::arg("mean"), py::arg("residual"), py::arg("inverse_deviation"),
          py::kw_only(), py::arg("with_gradient") = true, py::arg("threads") = 1,
          "(gradient or None, gamma's gradient, beta's gradient)");
  ops.def("layer_norm", &layer_norm, py::arg("x"), py::arg("upstream"), py::arg("gamma"),
          py::arg("beta"), py::arg("epsilon"), py::kw_only(), py::arg("threads") = 1,
          "(y, gradient, gamma's gradient, beta's gradient)");
  ops.def("transpose", &transpose, py::arg("x"), py::arg("outer"), py::arg("rows"), py::arg("cols"),
          py::kw_only(), py::arg("threads") = 1);
  ops.def("column_sums", &column_sums, py::arg("x"), py::kw_only(), py::arg("threads") = 1);
}

}  // namespace unitgain::bindings
