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

py::array activation(std::string_view name, const py::object& object, const py::object& out,
                     const py::dict& parameters) {
  const ActivationSpec spec = spec_of(name, parameters);
  const py::array given = as_float_array(object);
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
      const GilRelease release;
      runtime::parallel(runtime::threads_for(work_of(spec.kind, n)),
                        [&](const runtime::Team& team) {
                          if (flat) return ops::activation<T>(team, spec, from, to, n);
                          ops::activation<T>(team, spec, *walk, from, to);
                        });
    }
    return result.finish();
  });
}

py::array activation_gradient(std::string_view name, const py::object& x_object,
                              const py::object& upstream_object, const py::object& out,
                              const py::dict& parameters) {
  const ActivationSpec spec = spec_of(name, parameters);
  const py::array given_x = as_float_array(x_object);
  const py::array given_upstream = as_float_array(upstream_object);
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
      const GilRelease release;
      runtime::parallel(
          runtime::threads_for(work_of(spec.kind, n)), [&](const runtime::Team& team) {
            if (flat) return ops::activation_gradient_at_input<T>(team, spec, from, up, to, n);
            ops::activation_gradient_at_input<T>(team, spec, *walk, from, up, to);
          });
    }
    return result.finish();
  });
}

// An array as a stack of `outer` matrices of `length` rows and `inner` columns, the function
// running down each column.
struct AxisShape {
  Index outer, length, inner;
};

AxisShape along_axis(const py::array& x, const std::string& name, py::ssize_t axis) {
  const py::ssize_t dimensions = x.ndim();
  if (dimensions == 0) {
    throw ValueError(name + " needs at least one dimension, but x has none");
  }
  if (axis < -dimensions || axis >= dimensions) {
    throw ValueError("axis is " + std::to_string(axis) + ", but the array has " +
                     std::to_string(dimensions) + " dimensions");
  }
  if (axis < 0) axis += dimensions;
  AxisShape shape = {1, x.shape(axis), 1};
  for (py::ssize_t d = 0; d < axis; ++d) shape.outer *= x.shape(d);
  for (py::ssize_t d = axis + 1; d < dimensions; ++d) shape.inner *= x.shape(d);
  return shape;
}

// Softmax or log-softmax, and its gradient from its own values.
template <class T>
struct AxisFunction {
  void (*forward)(const runtime::Team&, const T*, T*, Index, Index, Index);
  void (*gradient)(const runtime::Team&, const T*, const T*, T*, Index, Index, Index);
};

template <class T>
AxisFunction<T> axis_function(const std::string& name) {
  if (name == "softmax") return {&ops::softmax<T>, &ops::softmax_gradient<T>};
  if (name == "log_softmax") return {&ops::log_softmax<T>, &ops::log_softmax_gradient<T>};
  throw ValueError("unknown function '" + name + "', expected softmax or log_softmax");
}

// An array as a kernel for contiguous arrays finds it: where it lies if it is one, else copied to
// where the result goes, over which the kernel can run in place.
template <class T>
class ContiguousOperand {
 public:
  ContiguousOperand(const py::array& array, const py::array& copy)
      : data_(static_cast<const T*>(array.data())) {
    if (!are_flat({array})) walk_ = walk_through<2>({array, copy});
  }
  // The data, once each thread of the team has copied its share and met the others.
  const T* ready(const runtime::Team& team, T* copy) const {
    if (!walk_) return data_;
    ops::activation<T>(team, {Activation::linear, {}}, *walk_, data_, copy);
    team.barrier();
    return copy;
  }

 private:
  const T* data_;
  std::optional<ops::Walk<2>> walk_;
};

py::array along(const std::string& name, const py::object& object, py::ssize_t axis,
                const py::object& out) {
  const py::array given = as_float_array(object);
  const AxisShape shape = along_axis(given, name, axis);
  return dispatch_float(given, "x", [&](auto zero) {
    using T = decltype(zero);
    const AxisFunction<T> function = axis_function<T>(name);
    const py::array x = viewable(given);
    Result result(out, x, {x}, Layout::c);
    const ContiguousOperand<T> operand(x, result.array());
    T* to = static_cast<T*>(result.data());
    {
      const GilRelease release;
      runtime::parallel(
          runtime::threads_for(ops::softmax_work(shape.outer * shape.inner, shape.length)),
          [&](const runtime::Team& team) {
            const T* from = operand.ready(team, to);
            function.forward(team, from, to, shape.outer, shape.length, shape.inner);
          });
    }
    return result.finish();
  });
}

py::array gradient_along(const std::string& name, const py::object& x_object,
                         const py::object& upstream_object, py::ssize_t axis) {
  const py::array given_x = as_float_array(x_object);
  const py::array given_upstream = as_float_array(upstream_object);
  const AxisShape shape = along_axis(given_x, name, axis);
  return dispatch_float(given_x, "x", [&](auto zero) {
    using T = decltype(zero);
    require_same(given_upstream, "upstream", given_x);
    const AxisFunction<T> function = axis_function<T>(name);
    const py::array x = viewable(given_x), upstream = viewable(given_upstream);
    py::array values = new_array<T>(shape_of(x)), result = new_array<T>(shape_of(x));
    const ContiguousOperand<T> input(x, values), above(upstream, result);
    T *kept = static_cast<T*>(values.mutable_data()), *to = static_cast<T*>(result.mutable_data());
    {
      const GilRelease release;
      runtime::parallel(
          runtime::threads_for(2 * ops::softmax_work(shape.outer * shape.inner, shape.length), 3),
          [&](const runtime::Team& team) {
            const T* from = input.ready(team, kept);
            const T* up = above.ready(team, to);
            function.forward(team, from, kept, shape.outer, shape.length, shape.inner);
            team.barrier();
            function.gradient(team, kept, up, to, shape.outer, shape.length, shape.inner);
          });
    }
    return result;
  });
}

}  // namespace

void bind_activations(py::module_& module) {
  module.def(
      "activation_table",
      [] {
        py::dict table;
        for (const ActivationInfo& info : activation_infos()) {  // general_relu is relu again
          py::dict parameters;
          for (int p = 0; p < info.parameter_count; ++p) {
            parameters[info.parameter_names[p]] = info.defaults[p];
          }
          table[info.name] = py::make_tuple(info.formula, parameters);
        }
        return table;
      },
      "The activation functions by name, each with its formula and its parameters' defaults.");
  module.def(
      "check_activation",
      [](std::string_view name, const py::dict& parameters) { spec_of(name, parameters); },
      py::arg("name"), py::arg("parameters") = py::dict(),
      "Raise unless there is an activation of that name that takes these parameters.");
  module.def("activation", &activation, py::arg("name"), py::arg("x"), py::arg("out") = py::none(),
             py::arg("parameters") = py::dict(),
             "The activation function `name` of every element of x.");
  module.def("activation_gradient", &activation_gradient, py::arg("name"), py::arg("x"),
             py::arg("upstream"), py::arg("out") = py::none(), py::arg("parameters") = py::dict(),
             "upstream times the derivative at x of the activation function `name`.");
  module.def("along_axis", &along, py::arg("name"), py::arg("x"), py::arg("axis"),
             py::arg("out") = py::none(), "softmax or log_softmax along an axis.");
  module.def("gradient_along_axis", &gradient_along, py::arg("name"), py::arg("x"),
             py::arg("upstream"), py::arg("axis"), "The gradient at x of along_axis.");
}

}  // namespace unitgain::bindings
