// The call of a network in a hurry: one plain array in, one out, and no more between Python and the
// network than that takes.
#pragma once

#include "common.hpp"
#include "unitgain/network.hpp"

namespace unitgain::bindings {

// A function that returns the network's outputs for a matrix of samples, or None for anything else;
// None for a network with several inputs or outputs. It keeps the network.
template <class T>
py::object caller(const py::object& network);

}  // namespace unitgain::bindings
