#include "signals.hpp"

#include <pybind11/stl.h>

#include "callback_arrays.hpp"
#include "gil.hpp"
#include "samples.hpp"

namespace unitgain::bindings {

namespace {

py::object array_or_none(const std::vector<double>& values, const std::vector<py::ssize_t>& shape) {
  if (values.empty()) return py::none();
  return copy_of(values.data(), shape);
}

}  // namespace

py::tuple signals_tuple(const Signals& signals) {
  py::list nodes;
  for (const NodeSignal& node : signals.nodes) {
    const std::vector<py::ssize_t> shape = {column_sum_count, node.cols};
    nodes.append(py::make_tuple(node.node, node.rows, node.has_slope,
                                array_or_none(node.values, shape),
                                array_or_none(node.gradients, shape),
                                array_or_none(node.histogram, {std::ssize(node.histogram)})));
  }
  py::array_t<double> parameters = new_array<double>({std::ssize(signals.parameters), 3});
  double* to = parameters.mutable_data();
  for (const ParameterSignal& parameter : signals.parameters) {
    *to++ = parameter.gradient;
    *to++ = parameter.weights;
    *to++ = parameter.update;
  }
  return py::make_tuple(signals.loss, nodes, parameters);
}

template <class T>
py::tuple signals(Network<T>& network, const py::object& x, const py::object& y,
                  const py::object& weights) {
  HeldSamples held;
  hold_samples(held, x, y, std::nullopt, network);
  hold_weights(held, weights, network);
  const GradientArrays<T> made(network);
  Signals found;
  {
    const GilRelease release;
    found = network.signals(held.samples, made.pointers);
  }
  return py::make_tuple(signals_tuple(found), made.arrays);
}

py::array_t<double> totals_of_columns(
    const std::vector<py::array_t<double, py::array::c_style>>& sums,
    const std::vector<Index>& rows, double tolerance) {
  if (rows.size() != sums.size()) throw ValueError("each array of sums needs its number of rows");
  auto made = new_array<double>({std::ssize(sums), column_total_count});
  double* to = made.mutable_data();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (sums[i].ndim() != 2 || sums[i].shape(0) != column_sum_count || sums[i].shape(1) == 0) {
      throw ValueError("sums have shape " + shape_text(sums[i]) + ", expected (7, columns)");
    }
    const ColumnTotals t = column_totals(sums[i].data(), sums[i].shape(1), rows[i], tolerance);
    for (const double total : {t.sum, t.squares, t.zeros, t.saturated, t.squares_of_sums,
                               t.smallest, t.largest, t.most_zeros, t.equal_neighbours}) {
      *to++ = total;
    }
  }
  return made;
}

template <class T>
void monitor(Network<T>& network, Index every, const py::object& tell) {
  SignalMonitor made{every};
  if (!tell.is_none()) {
    made.tell = [tell = Callable(tell)](const Signals& found, std::int64_t step) {
      const GilAcquire acquire;
      tell(signals_tuple(found), step);
    };
  }
  const GilRelease release;
  network.monitor(std::move(made));
}

#define UNITGAIN_INSTANTIATE(T)                                                 \
  template py::tuple signals(Network<T>&, const py::object&, const py::object&, \
                             const py::object&);                                \
  template void monitor(Network<T>&, Index, const py::object&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::bindings
