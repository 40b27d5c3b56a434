// Networks.
#pragma once

#include "common.hpp"

namespace unitgain::bindings {

template <class T>
void bind_network(py::module_& module);

// What makes int8 of weights.
void bind_quantization(py::module_& module);

// Runs of several networks, of any types, at once.
void bind_training_runs(py::module_& module);

}  // namespace unitgain::bindings
