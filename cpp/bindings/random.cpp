#include "common.hpp"

namespace unitgain::bindings {

void bind_random([[maybe_unused]] py::module_& module) {}

}  // namespace unitgain::bindings
