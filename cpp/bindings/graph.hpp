// Parameters, graphs and their descriptions.
#pragma once

#include <pybind11/stl.h>

#include "common.hpp"
#include "unitgain/network.hpp"

namespace unitgain::bindings {

// The values, not a copy of them.
template <class T>
py::array_t<T> parameter_array(const ParameterPtr<T>& parameter) {
  return py::array_t<T>(parameter->shape(), parameter->data(), py::cast(parameter));
}

// The network's graph as a dictionary, and the parameters that it names; None if a node is custom.
// Parameters are called as in `named`, whose names without one are taken.
template <class T>
py::object describe(const Network<T>& network, const NamedParameters<T>& named);

template <class T>
void bind_graph(py::module_& module);

}  // namespace unitgain::bindings
