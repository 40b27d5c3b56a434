// How an optimizer treats an array of weights: penalties and constraints, a user's own among them.
#pragma once

#include "common.hpp"

namespace unitgain::bindings {

void bind_weight_options(py::module_& module);

}  // namespace unitgain::bindings
