// Networks.
#pragma once

#include "common.hpp"

namespace unitgain::bindings {

template <class T>
void bind_network(py::module_& module);

}  // namespace unitgain::bindings
