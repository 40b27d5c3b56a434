#include "weight_options.hpp"

#include <pybind11/stl.h>

#include <cstring>
#include <memory>

#include "unitgain/optimizer.hpp"

namespace unitgain::bindings {

namespace {

// function() returns the penalty and its gradient, an array of the weights' dtype and shape.
std::function<double(void*, Index)> custom_penalty(const py::object& function) {
  if (function.is_none()) return {};
  return [call = Callable(function)](void* gradient, Index bytes) {
    const GilAcquire acquire;
    const auto [value, array] = py::cast<std::pair<double, py::array>>(call());
    if (!(array.flags() & py::array::c_style) || array.nbytes() != bytes) {
      throw ValueError("the gradient of a penalty has " + std::to_string(array.nbytes()) +
                       " bytes, expected " + std::to_string(bytes));
    }
    if (bytes > 0) std::memcpy(gradient, array.data(), static_cast<std::size_t>(bytes));
    return value;
  };
}

std::function<void()> custom_constraint(const py::object& function) {
  if (function.is_none()) return {};
  return [call = Callable(function)] {
    const GilAcquire acquire;
    call();
  };
}

}  // namespace

void bind_weight_options(py::module_& module) {
  py::class_<PenaltySpec>(module, "PenaltySpec")
      .def(py::init(
               [](double l1, double l2, double orthogonal, bool columns, const py::object& custom) {
                 return PenaltySpec{l1, l2, orthogonal, columns, custom_penalty(custom)};
               }),
           py::arg("l1") = 0.0, py::arg("l2") = 0.0, py::arg("orthogonal") = 0.0,
           py::arg("columns") = false, py::arg("custom") = py::none());
  py::enum_<ConstraintKind>(module, "ConstraintKind")
      .value("none", ConstraintKind::none)
      .value("non_negative", ConstraintKind::non_negative)
      .value("norm", ConstraintKind::norm)
      .value("custom", ConstraintKind::custom);
  py::class_<ConstraintSpec>(module, "ConstraintSpec")
      .def(py::init([](ConstraintKind kind, std::vector<int> axes, double least, double most,
                       double rate, const py::object& custom) {
             return ConstraintSpec{kind, std::move(axes),          least, most,
                                   rate, custom_constraint(custom)};
           }),
           py::arg("kind") = ConstraintKind::none, py::arg("axes") = std::vector<int>{},
           py::arg("least") = 0.0, py::arg("most") = std::numeric_limits<double>::infinity(),
           py::arg("rate") = 1.0, py::arg("custom") = py::none());
  py::class_<UpdateOptions>(module, "UpdateOptions")
      .def(py::init([](bool decay, bool orthogonalize, double rate, const PenaltySpec& penalty,
                       const ConstraintSpec& constraint) {
             return UpdateOptions{decay, orthogonalize, rate, penalty, constraint};
           }),
           py::arg("decay") = true, py::arg("orthogonalize") = true, py::arg("rate") = 1.0,
           py::arg_v("penalty", PenaltySpec{}, "PenaltySpec()"),
           py::arg_v("constraint", ConstraintSpec{}, "ConstraintSpec()"));
}

}  // namespace unitgain::bindings
