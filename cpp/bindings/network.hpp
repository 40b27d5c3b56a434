// Networks.
#pragma once

#include "common.hpp"

namespace unitgain::bindings {

template <class T>
void bind_network(py::module_& module);

// Passes of several networks, of any types, at once.
void bind_training_passes(py::module_& module);

}  // namespace unitgain::bindings
