#include "unitgain/activation.hpp"

#include "common.hpp"
#include "ops/activation.hpp"
#include "ops/softmax.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::bindings {

namespace {

using Shape = std::vector<py::ssize_t>;

Shape shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

bool is_contiguous(const py::array& array) {
  const int flags = array.flags();
  return (flags & py::array::c_style) && (flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_);
}

py::array contiguous(const py::array& array) {
  if (is_contiguous(array)) return array;
  return py::module_::import("numpy").attr("ascontiguousarray")(array);
}

bool same_dtype(const py::array& a, const py::array& b) {
  return a.dtype().is(b.dtype()) || a.dtype().equal(b.dtype());
}

void require_same(const py::array& array, const char* name, const py::array& x) {
  if (!same_dtype(array, x)) {
    throw TypeError(std::string(name) + " has dtype " +
                    py::cast<std::string>(py::str(array.dtype())) + ", but x has " +
                    py::cast<std::string>(py::str(x.dtype())));
  }
  if (shape_of(array) != shape_of(x)) {
    throw ValueError(std::string(name) + " has shape " + shape_text(array) + ", but x has " +
                     shape_text(x));
  }
}

// Where a result of x's shape and dtype is written: `out` itself if a kernel can, else a fresh
// array that is then copied there. The kernels may write over x itself but not over a shifted view
// of it.
class Output {
 public:
  Output(const py::object& out, const py::array& x, std::initializer_list<py::array> inputs) {
    if (!out.is_none()) {
      if (!py::isinstance<py::array>(out)) throw TypeError("out must be an array or None");
      out_ = py::reinterpret_borrow<py::array>(out);
      require_same(out_, "out", x);
      if (!out_.writeable()) throw ValueError("out is read-only");
      direct_ = is_contiguous(out_);
      for (const py::array& input : inputs) direct_ = direct_ && !partly_overlaps(input);
      if (direct_) {
        written_ = out_;
        return;
      }
    }
    written_ = py::array(x.dtype(), shape_of(x));
  }

  void* data() { return written_.mutable_data(); }

  py::array finish() {
    if (!out_) return written_;
    if (!direct_) py::module_::import("numpy").attr("copyto")(out_, written_);
    return out_;
  }

 private:
  bool partly_overlaps(const py::array& input) const {
    if (input.data() == out_.data()) return false;
    const auto* in = static_cast<const char*>(input.data());
    const auto* to = static_cast<const char*>(out_.data());
    return in < to + out_.nbytes() && to < in + input.nbytes();
  }

  py::array out_ = py::reinterpret_steal<py::array>(py::handle());
  py::array written_ = py::reinterpret_steal<py::array>(py::handle());
  bool direct_ = false;
};

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

py::array activation(std::string_view name, const py::array& x, const py::object& out,
                     const py::dict& parameters) {
  const ActivationSpec spec = spec_of(name, parameters);
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const py::array input = contiguous(x);
    Output output(out, x, {input});
    const T* from = static_cast<const T*>(input.data());
    T* to = static_cast<T*>(output.data());
    const Index n = x.size();
    {
      const py::gil_scoped_release release;
      runtime::parallel(
          runtime::threads_for(work_of(spec.kind, n)),
          [&](const runtime::Team& team) { ops::activation<T>(team, spec, from, to, n); });
    }
    return output.finish();
  });
}

py::array activation_gradient(std::string_view name, const py::array& x, const py::array& upstream,
                              const py::object& out, const py::dict& parameters) {
  const ActivationSpec spec = spec_of(name, parameters);
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    require_same(upstream, "upstream", x);
    const py::array input = contiguous(x), above = contiguous(upstream);
    Output output(out, x, {input, above});
    const T* from = static_cast<const T*>(input.data());
    const T* up = static_cast<const T*>(above.data());
    T* to = static_cast<T*>(output.data());
    const Index n = x.size();
    {
      const py::gil_scoped_release release;
      runtime::parallel(runtime::threads_for(work_of(spec.kind, n)),
                        [&](const runtime::Team& team) {
                          ops::activation_gradient_at_input<T>(team, spec, from, up, to, n);
                        });
    }
    return output.finish();
  });
}

Index row_length(const py::array& x) {
  if (x.ndim() == 0) throw ValueError("softmax needs at least one dimension, but x has none");
  return x.shape(x.ndim() - 1);
}

py::array softmax(const py::array& x, const py::object& out) {
  const Index cols = row_length(x);
  const Index rows = cols == 0 ? 0 : x.size() / cols;
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const py::array input = contiguous(x);
    Output output(out, x, {input});
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
    const py::array input = contiguous(x), above = contiguous(upstream);
    py::array saved(x.dtype(), shape_of(x));
    Output output(out, x, {input, above});
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
