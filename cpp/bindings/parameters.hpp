// Members of a spec that Python sets by name: the rows of unitgain/rows/ as a table.
#pragma once

#include <iterator>
#include <string>

#include "common.hpp"

namespace unitgain::bindings {

template <class Spec>
struct Parameter {
  const char* name;
  bool (*set)(Spec& spec, py::handle value);  // whether the value is of the member's type
};

template <class Spec, auto member>
constexpr Parameter<Spec> parameter(const char* name) {
  return {name, [](Spec& spec, py::handle value) {
            py::detail::make_caster<std::remove_reference_t<decltype(spec.*member)>> caster;
            if (!caster.load(value, true)) return false;
            spec.*member = caster;
            return true;
          }};
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
    if (!row->set(spec, value)) {
      throw TypeError(name + " is of type " + Py_TYPE(value.ptr())->tp_name +
                      ", expected a number");
    }
  }
}

}  // namespace unitgain::bindings
