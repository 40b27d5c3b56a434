#include "weight_options.hpp"

#include <pybind11/stl.h>

#include <cstring>
#include <memory>

#include "base/aligned_buffer.hpp"
#include "common.hpp"
#include "expression.hpp"
#include "ops/expression.hpp"
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

// A program of the weights: the penalty, and its gradient. It runs without Python.
template <class T>
std::function<double(void*, Index)> traced_penalty(const ExpressionPtr& program,
                                                   const py::array& weights) {
  // Who asks holds the weights as long as the penalty: they are a parameter's.
  const T* data = static_cast<const T*>(weights.data());
  const auto expression = std::make_shared<const ops::Expression<T>>(*program, 1);
  const auto memory = std::make_shared<base::AlignedBuffer<std::byte>>(expression->workspace(1),
                                                                       "the values of a penalty");
  return [=](void* gradient, Index) {
    T value = 0;
    const T* const inputs[] = {data};
    T* const outputs[] = {&value, static_cast<T*>(gradient)};
    expression->run({}, inputs, outputs, memory->data());
    return static_cast<double>(value);
  };
}

// A function, or a program with the array of the weights.
std::function<double(void*, Index)> penalty_of(const py::object& custom) {
  if (!py::isinstance<py::tuple>(custom)) return custom_penalty(custom);
  const auto [expression, weights] = py::cast<std::pair<py::object, py::array>>(custom);
  const ExpressionPtr program = expression_program(expression);
  if (is_float32(weights, "weights")) return traced_penalty<float>(program, weights);
  return traced_penalty<double>(program, weights);
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
                 return PenaltySpec{l1, l2, orthogonal, columns, penalty_of(custom)};
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
