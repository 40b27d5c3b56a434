// Optimizers, once for each float type: _native.float32 and _native.float64.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>

#include "common.hpp"
#include "nn/optimizer.hpp"
#include "parameters.hpp"
#include "spec/unknown_name.hpp"
#include "unitgain/network.hpp"
#include "weight_options.hpp"

namespace unitgain::bindings {

namespace {

// "variable 2", "gradient 0"
std::string numbered(const char* what, py::ssize_t i) {
  return std::string(what).append(" ").append(std::to_string(i));
}

std::string shape_of(const std::vector<Index>& shape) {
  return py::cast<std::string>(py::str(py::tuple(py::cast(shape))));
}

// The array that this object must be: of the dtype and contiguous.
template <class T>
py::array checked(const py::handle& object, const char* what, py::ssize_t i) {
  if (!py::isinstance<py::array>(object)) {
    throw TypeError(numbered(what, i) + " is of type " + Py_TYPE(object.ptr())->tp_name +
                    ", expected a NumPy array");
  }
  auto array = py::reinterpret_borrow<py::array>(object);
  if (!py::isinstance<py::array_t<T>>(array)) {
    throw TypeError(numbered(what, i) + " has dtype " +
                    py::cast<std::string>(py::str(array.dtype())) + ", expected " +
                    py::cast<std::string>(py::str(py::dtype::of<T>())));
  }
  if (!(array.flags() & py::array::c_style) || !is_viewable(array)) {
    throw ValueError(numbered(what, i) + " of shape " + shape_text(array) + " is not C-contiguous");
  }
  return array;
}

void require_writeable(const py::array& array, py::ssize_t i) {
  if (!array.writeable()) throw ValueError(numbered("variable", i) + " is read-only");
}

// Holds the arrays that it changes.
template <class T>
struct HeldOptimizer {
  std::shared_ptr<nn::Optimizer<T>> optimizer;
  std::vector<py::array> variables;  // empty if a network holds them
};

template <class T>
HeldOptimizer<T> make_optimizer(const OptimizerSpec& spec, const py::sequence& variables,
                                const std::vector<UpdateOptions>& options) {
  if (!options.empty() && options.size() != variables.size()) {
    throw ValueError(std::to_string(options.size()) + " options for " +
                     std::to_string(variables.size()) + " variables");
  }
  HeldOptimizer<T> held;
  std::vector<OptimizedArray<T>> arrays;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const auto number = static_cast<py::ssize_t>(i);
    const py::object variable = variables[i];
    py::array array = checked<T>(variable, "variable", number);
    require_writeable(array, number);
    arrays.push_back({static_cast<T*>(array.mutable_data()),
                      {array.shape(), array.shape() + array.ndim()},
                      options.empty() ? UpdateOptions{} : options[i]});
    held.variables.push_back(std::move(array));
  }
  held.optimizer = std::make_shared<nn::Optimizer<T>>(spec, std::move(arrays));
  return held;
}

// Returns how many gradients are None.
template <class T>
int apply(HeldOptimizer<T>& held, const py::sequence& gradients, int threads) {
  const auto& arrays = held.optimizer->arrays();
  if (gradients.size() != arrays.size()) {
    throw ValueError(std::to_string(gradients.size()) + " gradients for " +
                     std::to_string(arrays.size()) + " variables");
  }
  int missing = 0;
  std::vector<const T*> pointers(arrays.size());
  std::vector<py::object> keep(arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    keep[i] = gradients[i];
    missing += keep[i].is_none() ? 1 : 0;
    if (keep[i].is_none()) continue;
    const auto number = static_cast<py::ssize_t>(i);
    const py::array gradient = checked<T>(keep[i], "gradient", number);
    const std::vector<Index>& shape = arrays[i].shape;
    if (!std::equal(shape.begin(), shape.end(), gradient.shape(),
                    gradient.shape() + gradient.ndim())) {
      throw ValueError(numbered("gradient", number) + " has shape " + shape_text(gradient) +
                       ", but its variable has " + shape_of(shape));
    }
    if (!held.variables.empty()) require_writeable(held.variables[i], number);
    pointers[i] = static_cast<const T*>(gradient.data());
  }
  if (missing == static_cast<int>(arrays.size())) {
    throw ValueError("there is no gradient for any variable");
  }
  const GilRelease release;
  held.optimizer->apply(std::move(pointers), threads);
  return missing;
}

template <class T>
py::array_t<T> state_array(const py::object& owner, T* data, const std::vector<Index>& shape) {
  return py::array_t<T>(shape, data, owner);
}

// For each array a list of (name, values), the average first if one is kept.
template <class T>
py::list state(const py::object& self) {
  const nn::Optimizer<T>& optimizer = *py::cast<HeldOptimizer<T>&>(self).optimizer;
  py::list all;
  for (std::size_t i = 0; i < optimizer.arrays().size(); ++i) {
    py::list values;
    for (const auto& [name, data, shape] : optimizer.state(i)) {
      values.append(py::make_tuple(name, state_array(self, data, shape)));
    }
    all.append(values);
  }
  return all;
}

template <class T>
void bind_typed(py::module_& module) {
  using Held = HeldOptimizer<T>;
  module.def(
      "optimizer_of",
      [](const Network<T>& network) {
        std::shared_ptr<nn::Optimizer<T>> optimizer;
        {
          const GilRelease release;
          optimizer = network.optimizer();
        }
        return Held{std::move(optimizer), {}};
      },
      py::arg("network"), "The optimizer of a compiled network.");
  py::class_<Held>(module, "Optimizer")
      .def(py::init(&make_optimizer<T>), py::arg("spec"), py::arg("arrays"),
           py::arg("options") = std::vector<UpdateOptions>{})
      .def("apply", &apply<T>, py::arg("gradients"), py::arg("threads") = 0)
      .def(
          "finalize",
          [](Held& held, std::size_t i) {
            const GilRelease release;
            held.optimizer->finalize(i);
          },
          py::arg("array"))
      .def("state", &state<T>)
      .def_property(
          "learning_rate", [](const Held& held) { return held.optimizer->learning_rate(); },
          [](Held& held, double rate) { held.optimizer->set_learning_rate(rate); })
      .def_property(
          "loss_scale", [](const Held& held) { return held.optimizer->loss_scale(); },
          [](Held& held, double scale) { held.optimizer->set_loss_scale(scale); })
      .def_property(
          "scaled_steps", [](const Held& held) { return held.optimizer->scaled_steps(); },
          [](Held& held, std::int64_t steps) { held.optimizer->set_scaled_steps(steps); })
      .def_property(
          "iterations", [](const Held& held) { return held.optimizer->iterations(); },
          [](Held& held, std::int64_t count) { held.optimizer->set_iterations(count); });
}

std::function<double(std::int64_t)> schedule_of(const py::object& function) {
  if (function.is_none()) return {};
  return [call = Callable(function)](std::int64_t step) {
    const GilAcquire acquire;
    return py::cast<double>(call(step));
  };
}

constexpr Parameter<ScheduleSpec> schedule_members[] = {
    parameter<ScheduleSpec, &ScheduleSpec::factor>("factor"),
    parameter<ScheduleSpec, &ScheduleSpec::staircase>("staircase"),
    parameter<ScheduleSpec, &ScheduleSpec::end>("end"),
    parameter<ScheduleSpec, &ScheduleSpec::power>("power"),
    parameter<ScheduleSpec, &ScheduleSpec::cycle>("cycle"),
    parameter<ScheduleSpec, &ScheduleSpec::warmup_steps>("warmup_steps"),
    parameter<ScheduleSpec, &ScheduleSpec::warmup_target>("warmup_target"),
    parameter<ScheduleSpec, &ScheduleSpec::times_steps>("times_steps"),
    parameter<ScheduleSpec, &ScheduleSpec::times_rate>("times_rate"),
    parameter<ScheduleSpec, &ScheduleSpec::boundaries>("boundaries"),
    parameter<ScheduleSpec, &ScheduleSpec::values>("values"),
    parameter<ScheduleSpec, &ScheduleSpec::momenta>("momenta"),
    parameter<ScheduleSpec, &ScheduleSpec::linear>("linear"),
};

void bind_schedule(py::module_& module) {
  py::enum_<ScheduleKind>(module, "ScheduleKind")
      .value("none", ScheduleKind::none)
      .value("exponential", ScheduleKind::exponential)
      .value("inverse_time", ScheduleKind::inverse_time)
      .value("piecewise", ScheduleKind::piecewise)
      .value("polynomial", ScheduleKind::polynomial)
      .value("cosine", ScheduleKind::cosine)
      .value("restarts", ScheduleKind::restarts)
      .value("phases", ScheduleKind::phases)
      .value("custom", ScheduleKind::custom);
  py::class_<ScheduleSpec> schedule(module, "ScheduleSpec");
  def_parameters(schedule, schedule_members);
  schedule
      .def(py::init([](ScheduleKind kind, double initial, double steps) {
             ScheduleSpec spec;
             spec.kind = kind;
             spec.initial = initial;
             spec.steps = steps;
             return spec;
           }),
           py::arg("kind") = ScheduleKind::none, py::arg("initial") = 0.0, py::arg("steps") = 1.0)
      .def_property(
          "function", [](const ScheduleSpec& spec) { return spec.function; },
          [](ScheduleSpec& spec, const py::object& function) {
            spec.function = schedule_of(function);
          })
      .def("check", &check_schedule)
      .def("rate", &scheduled_rate, py::arg("step"))
      .def("momentum", &scheduled_momentum, py::arg("step"));
}

#define UNITGAIN_NAME(kind) std::string_view(#kind),
constexpr std::array kinds = {UNITGAIN_OPTIMIZERS(UNITGAIN_NAME)};
#undef UNITGAIN_NAME

constexpr Parameter<OptimizerSpec> parameters[] = {
#define UNITGAIN_PARAMETER(type, name, ...) parameter<OptimizerSpec, &OptimizerSpec::name>(#name),
    UNITGAIN_OPTIMIZER_PARAMETERS(UNITGAIN_PARAMETER)
#undef UNITGAIN_PARAMETER
};

constexpr Parameter<OptimizerSpec> optimizer_members[] = {
    parameter<OptimizerSpec, &OptimizerSpec::schedule>("schedule"),
    parameter<OptimizerSpec, &OptimizerSpec::clipping>("clipping"),
    parameter<OptimizerSpec, &OptimizerSpec::clip>("clip"),
    parameter<OptimizerSpec, &OptimizerSpec::weight_decay>("weight_decay"),
    parameter<OptimizerSpec, &OptimizerSpec::use_ema>("use_ema"),
    parameter<OptimizerSpec, &OptimizerSpec::ema_momentum>("ema_momentum"),
    parameter<OptimizerSpec, &OptimizerSpec::ema_overwrite_frequency>("ema_overwrite_frequency"),
    parameter<OptimizerSpec, &OptimizerSpec::accumulation_steps>("accumulation_steps"),
    parameter<OptimizerSpec, &OptimizerSpec::loss_scale>("loss_scale"),
    parameter<OptimizerSpec, &OptimizerSpec::scale_growth_steps>("scale_growth_steps"),
};

OptimizerSpec make_spec(std::string_view kind, double learning_rate, const py::kwargs& given) {
  const auto* found = std::find(std::begin(kinds), std::end(kinds), kind);
  if (found == std::end(kinds)) throw ValueError(spec::unknown_name("optimizer", kind, kinds));
  OptimizerSpec spec;
  spec.kind = static_cast<OptimizerKind>(found - std::begin(kinds));
  spec.learning_rate = learning_rate;
  set_parameters(spec, "OptimizerSpec", parameters, given);
  return spec;
}

}  // namespace

void bind_optimizer_types(py::module_& module) {
  module.attr("optimizer_names") = py::tuple(py::cast(kinds));
  py::enum_<Clipping>(module, "Clipping")
      .value("none", Clipping::none)
      .value("value", Clipping::value)
      .value("norm", Clipping::norm)
      .value("global_norm", Clipping::global_norm);
  bind_weight_options(module);
  bind_schedule(module);
  py::class_<OptimizerSpec> optimizer(module, "OptimizerSpec");
  optimizer.def(py::init(&make_spec), py::arg("kind"), py::arg("learning_rate"));
  def_parameters(optimizer, optimizer_members);
}

void bind_optimizer(py::module_& module) {
  auto float32 = py::cast<py::module_>(module.attr("float32"));
  bind_typed<float>(float32);
  auto float64 = py::cast<py::module_>(module.attr("float64"));
  bind_typed<double>(float64);
}

}  // namespace unitgain::bindings
