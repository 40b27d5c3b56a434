// Losses of arrays by themselves, and what networks take of them: specs and class labels.
#include "unitgain/loss.hpp"

#include <pybind11/stl.h>

#include <array>
#include <memory>
#include <optional>

#include "common.hpp"
#include "ops/loss.hpp"
#include "parameters.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::bindings {

namespace {

using Labels = py::array_t<std::int32_t, py::array::c_style>;
using Weights = py::array_t<double, py::array::c_style>;
using Shape = std::vector<py::ssize_t>;

constexpr const char* reduction_names[] = {"mean", "mean_with_sample_weight", "sum", "none"};

Reduction reduction_of(const std::string& name) {
  for (int i = 0; i < 4; ++i) {
    if (name == reduction_names[i]) return static_cast<Reduction>(i);
  }
  throw ValueError("unknown reduction '" + name + "'");
}

constexpr Parameter<LossSpec> parameters[] = {
#define UNITGAIN_PARAMETER(type, name, ...) parameter<LossSpec, &LossSpec::name>(#name),
    UNITGAIN_LOSS_PARAMETERS(UNITGAIN_PARAMETER)
#undef UNITGAIN_PARAMETER
};

LossSpec make_spec(const std::string& name, const std::string& reduction,
                   std::optional<std::int32_t> ignore_class, const py::kwargs& given) {
  LossSpec spec = loss_spec(name);
  spec.reduction = reduction_of(reduction);
  spec.ignores_class = ignore_class.has_value();
  spec.ignore_class = ignore_class.value_or(0);
  set_parameters(spec, "LossSpec", parameters, given);
  check_loss(spec, 2);
  return spec;
}

// Class labels as int32: the array itself if it is that, else a copy; None if a label is not a
// whole number from 0 to classes - 1, nor the one that is ignored.
py::object class_labels(const py::array& y, std::int32_t classes,
                        std::optional<std::int32_t> ignored) {
  const auto is_class = [&](auto label) {
    return (label >= 0 && label < classes) ||
           (ignored && label == static_cast<decltype(label)>(*ignored));
  };
  const auto convert = [&](const auto& typed) -> py::object {
    Labels labels(shape_of(y));
    std::int32_t* out = labels.mutable_data();
    for (py::ssize_t i = 0; i < typed.size(); ++i) {
      const auto label = typed.data()[i];
      if (!is_class(label)) return py::none();
      out[i] = static_cast<std::int32_t>(label);
      if (static_cast<decltype(label)>(out[i]) != label) return py::none();
    }
    return labels;
  };
  if (py::isinstance<Labels>(y)) {
    const Labels labels(y);
    bool all_classes = true;
    for (py::ssize_t i = 0; i < labels.size(); ++i) all_classes &= is_class(labels.data()[i]);
    return all_classes ? py::object(labels) : py::none();
  }
  if (y.dtype().kind() == 'f')
    return convert(py::array_t<double, py::array::c_style | py::array::forcecast>(y));
  return convert(py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>(y));
}

std::string text_of(const Shape& shape) {
  py::tuple sizes(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) sizes[i] = shape[i];
  return py::cast<std::string>(py::str(sizes));
}

[[noreturn]] void refuse_shape(const py::array& y_true, const Shape& expected, const char* what) {
  throw ValueError("y_true has shape " + shape_text(y_true) + ", expected " + text_of(expected) +
                   what);
}

void require_numbers(const py::array& y_true) {
  const char kind = y_true.dtype().kind();
  if (kind == 'b' || kind == 'i' || kind == 'u' || kind == 'f') return;
  throw TypeError("y_true has dtype " + py::cast<std::string>(py::str(y_true.dtype())) +
                  ", expected numbers");
}

Labels labels_for(const LossSpec& spec, const py::array& y_true, const py::array& y_pred) {
  Shape expected = shape_of(y_pred);
  const py::ssize_t classes = expected.back();
  Shape column = expected;
  column.back() = 1;
  expected.pop_back();
  if (shape_of(y_true) != expected && shape_of(y_true) != column) {
    refuse_shape(y_true, expected, ": a class label for each row of y_pred");
  }
  const std::optional<std::int32_t> ignored =
      spec.ignores_class ? std::optional(spec.ignore_class) : std::nullopt;
  const py::object labels = class_labels(y_true, static_cast<std::int32_t>(classes), ignored);
  if (labels.is_none()) {
    throw ValueError("y_true has a label that is no whole number from 0 to " +
                     std::to_string(classes - 1) + " (y_pred has " + std::to_string(classes) +
                     " classes)");
  }
  return py::reinterpret_borrow<Labels>(labels);
}

// Targets of 0 and 1, if there are no others, as -1 and 1.
template <class T>
py::array_t<T> hinge_targets(const py::array_t<T>& targets) {
  const T* from = targets.data();
  if (!ops::are_binary(from, targets.size())) return targets;
  py::array_t<T> signs(shape_of(targets));
  T* to = signs.mutable_data();
  for (py::ssize_t i = 0; i < targets.size(); ++i) to[i] = from[i] * 2 - 1;
  return signs;
}

template <class T>
py::array_t<T> targets_for(const LossSpec& spec, const py::array& y_true, const py::array& y_pred) {
  Shape expected = shape_of(y_pred);
  expected.back() = target_cols(spec, expected.back());
  const bool as_column =
      expected.back() == 1 && shape_of(y_true) == Shape(expected.begin(), expected.end() - 1);
  if (shape_of(y_true) != expected && !as_column) refuse_shape(y_true, expected, "");
  const py::array_t<T, py::array::c_style | py::array::forcecast> targets(y_true);
  return loss_info(spec.kind).takes_signs ? hinge_targets<T>(targets) : py::array_t<T>(targets);
}

// The gradient goes to `out`, or to a fresh array.
template <class T>
py::array_t<T> gradient_array(const py::object& out, const py::array& y_pred) {
  if (out.is_none()) return new_array<T>(shape_of(y_pred));
  if (!py::isinstance<py::array_t<T>>(out)) {
    throw TypeError("out must be an array of y_pred's dtype");
  }
  const auto array = py::reinterpret_borrow<py::array_t<T>>(out);
  if (shape_of(array) != shape_of(y_pred) || !(array.flags() & py::array::c_style) ||
      !array.writeable()) {
    throw ValueError("out has shape " + shape_text(array) + ", expected a writeable array " +
                     shape_text(y_pred) + " in C order");
  }
  return array;
}

template <class T>
simd::LossRows<T> rows_of(const py::array& y_pred) {
  simd::LossRows<T> rows{};
  rows.outputs = static_cast<const T*>(y_pred.data());
  rows.cols = y_pred.shape(y_pred.ndim() - 1);
  rows.rows = 1;
  for (py::ssize_t d = 0; d + 1 < y_pred.ndim(); ++d) rows.rows *= y_pred.shape(d);
  return rows;
}

// The reduced loss, or each row's with its weight.
template <class T>
py::object reduced(const LossSpec& spec, const py::array& y_pred, const double* losses,
                   const double* weights, Index rows, double divisor) {
  if (spec.reduction != Reduction::none) {
    const double sum = runtime::kernel_table().weighted_sum(losses, weights, rows);
    return py::float_(ops::divide_no_nan(sum, divisor));
  }
  Shape shape = shape_of(y_pred);
  shape.pop_back();
  py::array_t<T> values(shape);
  T* to = values.mutable_data();
  for (Index i = 0; i < rows; ++i) {
    to[i] = static_cast<T>(weights == nullptr ? losses[i] : losses[i] * weights[i]);
  }
  return values;
}

template <class T>
py::tuple loss_of(const LossSpec& spec, const py::array& y_true, const py::array& y_pred,
                  const std::optional<Weights>& sample_weight, bool with_gradient,
                  const py::object& out) {
  const py::array_t<T, py::array::c_style> outputs(y_pred);
  simd::LossRows<T> rows = rows_of<T>(outputs);
  py::array held;  // labels or targets
  if (loss_info(spec.kind).takes_labels) {
    held = labels_for(spec, y_true, outputs);
    rows.labels = static_cast<const std::int32_t*>(held.data());
  } else {
    held = targets_for<T>(spec, y_true, outputs);
    rows.targets = static_cast<const T*>(held.data());
  }
  if (sample_weight && sample_weight->size() != rows.rows) {
    throw ValueError("sample_weight has " + std::to_string(sample_weight->size()) +
                     " values, expected " + std::to_string(rows.rows));
  }
  py::object gradient = py::none();
  if (with_gradient) {
    py::array_t<T> array = gradient_array<T>(out, outputs);
    rows.gradient = array.mutable_data();
    gradient = array;
  }
  const double* weights = sample_weight ? sample_weight->data() : nullptr;
  const std::unique_ptr<double[]> losses(new double[static_cast<std::size_t>(rows.rows)]);
  rows.row_losses = losses.get();
  double divisor = 1;
  {
    const GilRelease release;
    if (spec.reduction != Reduction::none) {
      divisor = ops::loss_divisor(spec, rows.labels, weights, rows.rows);
    }
    rows.scale = static_cast<T>(ops::divide_no_nan(1.0, divisor));
    std::unique_ptr<T[]> scales;
    if (weights != nullptr) {
      scales.reset(new T[static_cast<std::size_t>(rows.rows)]);
      for (Index i = 0; i < rows.rows; ++i)
        scales[static_cast<std::size_t>(i)] = static_cast<T>(weights[i]);
      rows.row_scales = scales.get();
    }
    const double work = 0.5 * static_cast<double>(rows.rows * rows.cols + 4 * rows.rows);
    runtime::parallel(runtime::threads_for(work),
                      [&](const runtime::Team& team) { ops::loss<T>(team, spec, rows); });
  }
  return py::make_tuple(reduced<T>(spec, outputs, losses.get(), weights, rows.rows, divisor),
                        gradient);
}

py::tuple loss(const LossSpec& spec, const py::object& y_true, const py::object& y_pred,
               const std::optional<Weights>& sample_weight, bool with_gradient,
               const py::object& out) {
  if (!has_kernel(spec)) throw ValueError("a custom loss is computed by itself");
  const py::array targets = as_array(y_true), outputs = as_array(y_pred);
  if (outputs.ndim() == 0) throw ValueError("y_pred has no dimension, expected at least one");
  require_numbers(targets);
  check_loss(spec, outputs.shape(outputs.ndim() - 1));
  return dispatch_float(outputs, "y_pred", [&](auto zero) {
    return loss_of<decltype(zero)>(spec, targets, outputs, sample_weight, with_gradient, out);
  });
}

}  // namespace

void bind_losses(py::module_& module) {
#define UNITGAIN_NAME(kind, ...) #kind,
  constexpr std::array names = {UNITGAIN_LOSSES(UNITGAIN_NAME)};
#undef UNITGAIN_NAME
  module.attr("loss_names") = py::tuple(py::cast(names));
  module.def("class_labels", &class_labels, py::arg("y"), py::arg("classes"),
             py::arg("ignored") = py::none(),
             "Class labels as an int32 array, or None if one is no class.");
  py::class_<LossSpec>(module, "LossSpec")
      .def(py::init(&make_spec), py::arg("name"), py::kw_only(), py::arg("reduction") = "mean",
           py::arg("ignore_class") = py::none())
      .def_property_readonly("takes_labels",
                             [](const LossSpec& spec) { return loss_info(spec.kind).takes_labels; })
      .def_property_readonly("takes_signs",
                             [](const LossSpec& spec) { return loss_info(spec.kind).takes_signs; });
  module.def("loss", &loss, py::arg("spec"), py::arg("y_true"), py::arg("y_pred"),
             py::arg("sample_weight").none(true), py::arg("with_gradient"),
             py::arg("out") = py::none(), "(value, gradient or None)");
}

}  // namespace unitgain::bindings
