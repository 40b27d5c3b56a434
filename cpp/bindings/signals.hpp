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

// The totals of sums at nodes, each (column_sum_count, columns), over as many rows as it has: an
// array of (nodes, column_total_count).
py::array_t<double> totals_of_columns(
    const std::vector<py::array_t<double, py::array::c_style>>& sums,
    const std::vector<Index>& rows, double tolerance);

// Lets training tell Python; None tells nobody.
template <class T>
void monitor(Network<T>& network, Index every, const py::object& tell);

}  // namespace unitgain::bindings
