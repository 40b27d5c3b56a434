#include "unitgain/activation.hpp"

#include <optional>

#include "common.hpp"
#include "ops/activation.hpp"
#include "ops/softmax.hpp"
#include "result.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::bindings {

namespace {

// Nanoseconds per element on one core, roughly: what a transcendental function and what a plain one
// cost from the cache.
double work_of(Activation kind, Index n) {
  const bool plain =
      kind == Activation::linear || kind == Activation::relu || kind == Activation::leaky_relu;
  return static_cast<double>(n) * (plain ? 0.1 : 0.5);
}

ActivationSpec spec_of(std::string_view name, const py::dict& parameters) {
  ActivationSpec spec = activation_spec(name);
  const ActivationInfo& info = activation_info(spec.kind);
  for (const auto& [key, value] : parameters) {
    const std::string given = py::cast<std::string>(key);
    int i = 0;
    while (i < info.parameter_count && given != info.parameter_names[i]) ++i;
    if (i == info.parameter_count) {
      throw TypeError(std::string(info.name) + "() got an unexpected parameter '" + given + "'");
    }
    spec.parameters[i] = py::cast<double>(value);
  }
  check_activation(spec);
  return specialized(spec);
}

py::array activation(std::string_view name, const py::array& given, const py::object& out,
                     const py::dict& parameters) {
  const ActivationSpec spec = spec_of(name, parameters);
  return dispatch_float(given, "x", [&](auto zero) {
    using T = decltype(zero);
    const py::array x = viewable(given);
    Result result(out, x, {x}, Layout::like);
    const bool flat = are_flat({x, result.array()});
    std::optional<ops::Walk<2>> walk;
    if (!flat) walk = walk_through<2>({x, result.array()});
    const T* from = static_cast<const T*>(x.data());
    T* to = static_cast<T*>(result.data());
    const Index n = x.size();
    {
      const py::gil_scoped_release release;
      runtime::parallel(runtime::threads_for(work_of(spec.kind, n)),
                        [&](const runtime::Team& team) {
                          if (flat) return ops::activation<T>(team, spec, from, to, n);
                          ops::activation<T>(team, spec, *walk, from, to);
                        });
    }
    return result.finish();
  });
}

py::array activation_gradient(std::string_view name, const py::array& given_x,
                              const py::array& given_upstream, const py::object& out,
                              const py::dict& parameters) {
  const ActivationSpec spec = spec_of(name, parameters);
  return dispatch_float(given_x, "x", [&](auto zero) {
    using T = decltype(zero);
    require_same(given_upstream, "upstream", given_x);
    const py::array x = viewable(given_x), upstream = viewable(given_upstream);
    Result result(out, x, {x, upstream}, Layout::like);
    const bool flat = are_flat({x, upstream, result.array()});
    std::optional<ops::Walk<3>> walk;
    if (!flat) walk = walk_through<3>({x, upstream, result.array()});
    const T* from = static_cast<const T*>(x.data());
    const T* up = static_cast<const T*>(upstream.data());
    T* to = static_cast<T*>(result.data());
    const Index n = x.size();
    {
      const py::gil_scoped_release release;
      runtime::parallel(
          runtime::threads_for(work_of(spec.kind, n)), [&](const runtime::Team& team) {
            if (flat) return ops::activation_gradient_at_input<T>(team, spec, from, up, to, n);
            ops::activation_gradient_at_input<T>(team, spec, *walk, from, up, to);
          });
    }
    return result.finish();
  });
}

Index row_length(const py::array& x) {
  if (x.ndim() == 0) throw ValueError("softmax needs at least one dimension, but x has none");
  return x.shape(x.ndim() - 1);
}

py::array c_order(const py::array& array) {
  if (are_flat({array})) return array;
  return py::module_::import("numpy").attr("ascontiguousarray")(array);
}

py::array softmax(const py::array& x, const py::object& out) {
  const Index cols = row_length(x);
  const Index rows = cols == 0 ? 0 : x.size() / cols;
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const py::array input = c_order(x);
    Result output(out, x, {input}, Layout::c);
    const T* from = static_cast<const T*>(input.data());
    T* to = static_cast<T*>(output.data());
    {
      const py::gil_scoped_release release;
      runtime::parallel(
          runtime::threads_for(static_cast<double>(x.size()) + 20.0 * static_cast<double>(rows)),
          [&](const runtime::Team& team) { ops::softmax<T>(team, from, to, rows, cols); });
    }
    return output.finish();
  });
}

py::array softmax_gradient(const py::array& x, const py::array& upstream, const py::object& out) {
  const Index cols = row_length(x);
  const Index rows = cols == 0 ? 0 : x.size() / cols;
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    require_same(upstream, "upstream", x);
    const py::array input = c_order(x), above = c_order(upstream);
    py::array saved = new_array(x.dtype(), shape_of(x));
    Result output(out, x, {input, above}, Layout::c);
    const T* from = static_cast<const T*>(input.data());
    const T* up = static_cast<const T*>(above.data());
    T* kept = static_cast<T*>(saved.mutable_data());
    T* to = static_cast<T*>(output.data());
    {
      const py::gil_scoped_release release;
      runtime::parallel(runtime::threads_for(2.0 * static_cast<double>(x.size()) +
                                             40.0 * static_cast<double>(rows)),
                        [&](const runtime::Team& team) {
                          ops::softmax<T>(team, from, kept, rows, cols);
                          ops::softmax_gradient<T>(team, kept, up, to, rows, cols);
                        });
    }
    return output.finish();
  });
}

}  // namespace

void bind_activations(py::module_& module) {
  module.def(
      "activation_names",
      [] {
        py::list names;
        for (int i = 0; i < activation_count; ++i) {
          const auto kind = static_cast<Activation>(i);
          if (kind != Activation::general_relu) names.append(activation_info(kind).name);
        }
        return names;
      },
      "The names of the activation functions.");
  module.def(
      "check_activation",
      [](std::string_view name, const py::dict& parameters) { spec_of(name, parameters); },
      py::arg("name"), py::arg("parameters") = py::dict(),
      "Raise unless there is an activation of that name that takes these parameters.");
  module.def("activation", &activation, py::arg("name"), py::arg("x"), py::arg("out"),
             py::arg("parameters"), "The activation function `name` of every element of x.");
  module.def("activation_gradient", &activation_gradient, py::arg("name"), py::arg("x"),
             py::arg("upstream"), py::arg("out"), py::arg("parameters"),
             "upstream times the derivative at x of the activation function `name`.");
  module.def("softmax", &softmax, py::arg("x"), py::arg("out"), "Softmax along the last axis.");
  module.def("softmax_gradient", &softmax_gradient, py::arg("x"), py::arg("upstream"),
             py::arg("out"), "The gradient at x of softmax along the last axis.");
}

}  // namespace unitgain::bindings
