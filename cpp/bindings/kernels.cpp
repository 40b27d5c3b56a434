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
#include "ops/dropout.hpp"
#include "ops/loss.hpp"
#include "ops/softmax.hpp"
#include "ops/update.hpp"
#include "runtime/parallel.hpp"
#include "runtime/philox.hpp"
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
  return py::array_t<T>(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
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

py::tuple batch_norm_train(const py::array& x, const std::optional<py::array>& gamma,
                           const std::optional<py::array>& beta, double epsilon, double momentum,
                           py::array moving_mean, py::array moving_variance, int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    py::array_t<T> y = like_of<T>(x), mean(x.shape(1)), inverse(x.shape(1)), scale(x.shape(1));
    const T* gammas = columns<T>(gamma, "gamma", x);
    const T* betas = columns<T>(beta, "beta", x);
    T* moving[] = {mutable_columns<T>(moving_mean, "moving_mean", x),
                   mutable_columns<T>(moving_variance, "moving_variance", x)};
    // Taken here: what counts references must not run on the team's threads.
    const T* input = values<T>(x, "x", x);
    runtime::parallel(threads, [&](const Team& team) {
      ops::batch_norm_train<T>(team, input, y.mutable_data(), x.shape(0), x.shape(1), gammas, betas,
                               static_cast<T>(epsilon), momentum, moving[0], moving[1],
                               mean.mutable_data(), inverse.mutable_data(), scale.mutable_data());
    });
    return py::make_tuple(y, mean, inverse);
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
    const T* gammas = columns<T>(gamma, "gamma", x);
    const T* betas = columns<T>(beta, "beta", x);
    const T* mean = columns<T>(moving_mean, "moving_mean", x);
    const T* variance = columns<T>(moving_variance, "moving_variance", x);
    runtime::parallel(threads, [&](const Team& team) {
      ops::batch_norm_infer<T>(team, static_cast<const T*>(x.data()), y.mutable_data(), x.shape(0),
                               x.shape(1), gammas, betas, static_cast<T>(epsilon), mean, variance,
                               scale.mutable_data());
    });
    return y;
  });
}

py::tuple batch_norm_gradient(const py::array& x, const py::array& upstream,
                              const std::optional<py::array>& gamma, const py::array& mean,
                              const py::array& inverse_deviation, bool with_gradient, int threads) {
  require_matrix(x);
  return dispatch_float(x, "x", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    py::array_t<T> gradient = like_of<T>(x);
    py::array_t<T> gamma_gradient(x.shape(1)), beta_gradient(x.shape(1)), scratch(3 * x.shape(1));
    const T* input = values<T>(x, "x", x);
    const T* up = values<T>(upstream, "upstream", x);
    const T* gammas = columns<T>(gamma, "gamma", x);
    const T* means = columns<T>(mean, "mean", x);
    const T* inverses = columns<T>(inverse_deviation, "inverse_deviation", x);
    runtime::parallel(threads, [&](const Team& team) {
      ops::batch_norm_gradient<T>(
          team, input, up, with_gradient ? gradient.mutable_data() : nullptr, x.shape(0),
          x.shape(1), gammas, means, inverses, gamma_gradient.mutable_data(),
          beta_gradient.mutable_data(), scratch.mutable_data());
    });
    return py::make_tuple(with_gradient ? py::object(gradient) : py::none(), gamma_gradient,
                          beta_gradient);
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

py::array dropout(const py::array& x, std::uint64_t key, std::uint64_t stream, double rate,
                  int threads) {
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    py::array_t<T> y = like_of<T>(x);
    const T* input = values<T>(x, "x", x);
    runtime::parallel(threads, [&](const Team& team) {
      ops::dropout<T>(team, input, y.mutable_data(), x.size(), key, stream, rate);
    });
    return y;
  });
}

void sgd(py::array w, const py::array& g, double rate, int threads) {
  dispatch_float(w, "w", [&](auto zero) {
    using T = decltype(zero);
    T* weights = mutable_values<T>(w, "w", w);
    const T* gradient = values<T>(g, "g", w);
    runtime::parallel(threads, [&](const Team& team) {
      ops::sgd<T>(team, weights, gradient, w.size(), static_cast<T>(rate));
    });
  });
}

void sgd_momentum(py::array w, const py::array& g, py::array v, double rate, double momentum,
                  bool nesterov, int threads) {
  dispatch_float(w, "w", [&](auto zero) {
    using T = decltype(zero);
    T* weights = mutable_values<T>(w, "w", w);
    const T* gradient = values<T>(g, "g", w);
    T* velocity = mutable_values<T>(v, "v", w);
    runtime::parallel(threads, [&](const Team& team) {
      ops::sgd_momentum<T>(team, weights, gradient, velocity, w.size(), static_cast<T>(rate),
                           static_cast<T>(momentum), nesterov);
    });
  });
}

void adam(py::array w, const py::array& g, py::array m, py::array v, double rate, double beta_1,
          double beta_2, double epsilon, int threads) {
  dispatch_float(w, "w", [&](auto zero) {
    using T = decltype(zero);
    T* weights = mutable_values<T>(w, "w", w);
    const T* gradient = values<T>(g, "g", w);
    T* first = mutable_values<T>(m, "m", w);
    T* second = mutable_values<T>(v, "v", w);
    runtime::parallel(threads, [&](const Team& team) {
      ops::adam<T>(team, weights, gradient, first, second, w.size(), static_cast<T>(rate), beta_1,
                   beta_2, static_cast<T>(epsilon));
    });
  });
}

}  // namespace

void bind_kernels(py::module_& module) {
  py::module_ ops = module.def_submodule("ops", "Single operations, for tests.");
  ops.def("cross_entropy", &cross_entropy, py::arg("rows"), py::arg("labels"), py::arg("scale"),
          py::kw_only(), py::arg("threads") = 1, py::arg("from_logits") = true,
          py::arg("with_gradient") = true, "(losses, predicted classes, gradient or None)");
  ops.def("softmax", &softmax, py::arg("x"), py::arg("axis"), py::kw_only(),
          py::arg("logarithm") = false, py::arg("upstream") = py::none(), py::arg("threads") = 1,
          "(log-)softmax along an axis, or with `upstream` its gradient");
  ops.def("batch_norm_train", &batch_norm_train, py::arg("x"), py::arg("gamma"), py::arg("beta"),
          py::arg("epsilon"), py::arg("momentum"), py::arg("moving_mean"),
          py::arg("moving_variance"), py::kw_only(), py::arg("threads") = 1,
          "(y, mean, inverse deviation); the moving statistics are updated in place.");
  ops.def("batch_norm_infer", &batch_norm_infer, py::arg("x"), py::arg("gamma"), py::arg("beta"),
          py::arg("epsilon"), py::arg("moving_mean"), py::arg("moving_variance"), py::kw_only(),
          py::arg("threads") = 1);
  ops.def("batch_norm_gradient", &batch_norm_gradient, py::arg("x"), py::arg("upstream"),
          py::arg("gamma"), py::arg("mean"), py::arg("inverse_deviation"), py::kw_only(),
          py::arg("with_gradient") = true, py::arg("threads") = 1,
          "(gradient or None, gamma's gradient, beta's gradient)");
  ops.def("column_sums", &column_sums, py::arg("x"), py::kw_only(), py::arg("threads") = 1);
  ops.def("dropout", &dropout, py::arg("x"), py::arg("key"), py::arg("stream"), py::arg("rate"),
          py::kw_only(), py::arg("threads") = 1);
  ops.def("sgd", &sgd, py::arg("w"), py::arg("g"), py::arg("rate"), py::kw_only(),
          py::arg("threads") = 1);
  ops.def("sgd_momentum", &sgd_momentum, py::arg("w"), py::arg("g"), py::arg("v"), py::arg("rate"),
          py::arg("momentum"), py::arg("nesterov"), py::kw_only(), py::arg("threads") = 1);
  ops.def("adam", &adam, py::arg("w"), py::arg("g"), py::arg("m"), py::arg("v"), py::arg("rate"),
          py::arg("beta_1"), py::arg("beta_2"), py::arg("epsilon"), py::kw_only(),
          py::arg("threads") = 1);
  ops.def("philox", &runtime::philox, py::arg("counter"), py::arg("key"),
          "The four words of one Philox4x32-10 block.");
}

}  // namespace unitgain::bindings
