// The signals of a batch, as Python sees them.
#pragma once

#include "common.hpp"
#include "unitgain/network.hpp"

namespace unitgain::bindings {

// (loss, nodes, parameters): of each node its number, rows, whether saturation was counted, its
// sums, those of the gradients or None, and the histogram or None; of the parameters an array of
// the norms of gradient, weights and update.
py::tuple signals_tuple(const Signals& signals);

template <class T>
py::tuple signals(Network<T>& network, const py::object& x, const py::object& y,
                  const py::object& weights);

// Lets training tell Python; None tells nobody.
template <class T>
void monitor(Network<T>& network, Index every, const py::object& tell);

}  // namespace unitgain::bindings
