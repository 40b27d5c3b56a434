// Members of a spec that Python sets by name, as a table: the rows of unitgain/rows/, and
// properties of which pybind11 would compile two functions each.
#pragma once

#include <iterator>
#include <string>

#include "common.hpp"

namespace unitgain::bindings {

template <class Spec>
struct Parameter {
  const char* name;
  bool (*set)(Spec& spec, py::handle value);  // whether the value is of the member's type
  py::object (*get)(const Spec& spec);
};

template <class Spec, auto member>
constexpr Parameter<Spec> parameter(const char* name) {
  return {name,
          [](Spec& spec, py::handle value) {
            py::detail::make_caster<std::remove_reference_t<decltype(spec.*member)>> caster;
            if (!caster.load(value, true)) return false;
            spec.*member = caster;
            return true;
          },
          [](const Spec& spec) { return py::cast(spec.*member); }};
}

template <class Spec>
[[noreturn]] void refuse_parameter(const Parameter<Spec>& parameter, py::handle value,
                                   const char* expected) {
  throw TypeError(std::string(parameter.name) + " is of type " + Py_TYPE(value.ptr())->tp_name +
                  ", expected " + expected);
}

// Each as a property that Python may read and write.
template <class Spec, std::size_t count>
void def_parameters(py::class_<Spec>& type, const Parameter<Spec> (&table)[count]) {
  for (const Parameter<Spec>& row : table) {
    type.def_property(
        row.name, [&row](const Spec& spec) { return row.get(spec); },
        [&row](Spec& spec, const py::object& value) {
          if (!row.set(spec, value)) refuse_parameter(row, value, "what the member holds");
        });
  }
}

// Throws TypeError for a name that is not in the table, and for a value of another type.
template <class Spec, std::size_t count>
void set_parameters(Spec& spec, const char* what, const Parameter<Spec> (&table)[count],
                    const py::kwargs& given) {
  for (const auto& [key, value] : given) {
    const auto name = py::cast<std::string>(key);
    const Parameter<Spec>* row = std::begin(table);
    while (row != std::end(table) && name != row->name) ++row;
    if (row == std::end(table)) {
      throw TypeError(std::string(what) + "() got an unexpected parameter '" + name + "'");
    }
    if (!row->set(spec, value)) refuse_parameter(*row, value, "a number");
  }
}

}  // namespace unitgain::bindings
