#include "samples.hpp"

#include <string>

namespace unitgain::bindings {

namespace {

using Labels = py::array_t<std::int32_t, py::array::c_style>;

using Weights = py::array_t<double, py::array::c_style>;

// The arrays of one for each input or output: the one that there is, or those of a sequence.
std::vector<py::object> each(const py::object& given) {
  if (py::isinstance<py::array>(given)) return {given};
  std::vector<py::object> arrays;
  for (const py::handle& array : given) arrays.push_back(py::cast<py::object>(array));
  return arrays;
}

// "x" if there is one, else "x[1]".
std::string name_of(const char* name, std::size_t which, std::size_t count) {
  std::string text = name;
  if (count > 1) text.append("[").append(std::to_string(which)).append("]");
  return text;
}

}  // namespace

template <class T>
SampleArray sample_array(const py::array& array, const char* name, py::array& keep) {
  if (array.ndim() != 2) {
    throw ValueError(std::string(name) + " has shape " + shape_text(array) +
                     ", expected two dimensions: samples and features");
  }
  keep = viewable(array);
  ElementType type;
  if (py::isinstance<py::array_t<float>>(keep)) {
    type = ElementType::float32;
  } else if (py::isinstance<py::array_t<double>>(keep)) {
    type = ElementType::float64;
  } else if (py::isinstance<py::array_t<std::uint8_t>>(keep)) {
    type = ElementType::uint8;
  } else if (py::isinstance<py::array_t<std::int32_t>>(keep)) {
    type = ElementType::int32;
  } else if (py::isinstance<py::array_t<std::int64_t>>(keep)) {
    type = ElementType::int64;
  } else if (const char kind = keep.dtype().kind();
             kind == 'b' || kind == 'i' || kind == 'u' || kind == 'f') {
    keep = py::array_t<T, py::array::c_style | py::array::forcecast>(keep);
    type = sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;
  } else {
    throw TypeError(std::string(name) + " has dtype " +
                    py::cast<std::string>(py::str(keep.dtype())) + ", expected numbers");
  }
  return {keep.data(), type, keep.shape(0), keep.shape(1), keep.strides(0), keep.strides(1)};
}

template <class T>
void hold_weights(HeldSamples& held, const py::object& weights, const Network<T>& network) {
  if (weights.is_none()) return;
  const std::vector<py::object> given = each(weights);
  if (given.size() != held.y.size()) {
    throw ValueError("weights has " + std::to_string(given.size()) + " arrays, expected " +
                     std::to_string(held.y.size()));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].is_none()) continue;
    const auto array = py::cast<Weights>(given[i]);
    const Index expected = held.x[0].rows * network.output_shape(i).rows;
    if (array.size() != expected) {
      throw ValueError("weights has " + std::to_string(array.size()) + " values, expected " +
                       std::to_string(expected));
    }
    held.y[i].weights = array.data();
    held.arrays.push_back(array);
  }
}

template <class T>
void hold_inputs(HeldSamples& held, const py::object& x) {
  const std::vector<py::object> given = each(x);
  for (std::size_t i = 0; i < given.size(); ++i) {
    py::array keep;
    const std::string name = name_of("x", i, given.size());
    held.x.push_back(sample_array<T>(py::cast<py::array>(given[i]), name.c_str(), keep));
    held.arrays.push_back(keep);
  }
  if (held.x.empty()) throw ValueError("x has no arrays");
  held.samples.x = held.x;
  held.samples.count = held.x[0].rows;
}

namespace {

// None is the target of an output without a loss. Cross-entropy reads one label for each row of the
// output, squared error no labels at all.
template <class T>
void hold_targets(HeldSamples& held, const py::object& y, const Network<T>& network) {
  const std::vector<py::object> given = each(y);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string name = name_of("y", i, given.size());
    Target target;
    if (py::isinstance<Labels>(given[i])) {
      const auto labels = py::cast<Labels>(given[i]);
      const Index rows = i < network.outputs().size() ? network.output_shape(i).rows : 1;
      const Index expected = held.x[0].rows * rows;
      if (labels.size() != expected) {
        throw ValueError(name + " has " + std::to_string(labels.size()) + " labels, expected " +
                         std::to_string(expected));
      }
      target.labels = labels.data();
      held.arrays.push_back(labels);
    } else if (!given[i].is_none()) {
      py::array keep;
      target.values = sample_array<T>(py::cast<py::array>(given[i]), name.c_str(), keep);
      held.arrays.push_back(keep);
    }
    held.y.push_back(target);
  }
  held.samples.y = held.y;
}

void hold_order(HeldSamples& held, const std::optional<Order>& order) {
  held.order = order;
  if (!order) return;
  Samples& samples = held.samples;
  samples.order = order->data();
  samples.count = order->size();
  for (Index i = 0; i < samples.count; ++i) {
    if (samples.order[i] < 0 || samples.order[i] >= held.x[0].rows) {
      throw ValueError("order has the row " + std::to_string(samples.order[i]) + ", but x has " +
                       std::to_string(held.x[0].rows) + " rows");
    }
  }
}

}  // namespace

template <class T>
void hold_samples(HeldSamples& held, const py::object& x, const py::object& y,
                  const std::optional<Order>& order, const Network<T>& network) {
  hold_inputs<T>(held, x);
  hold_targets(held, y, network);
  hold_order(held, order);
}

#define UNITGAIN_INSTANTIATE(T)                                                    \
  template SampleArray sample_array<T>(const py::array&, const char*, py::array&); \
  template void hold_inputs<T>(HeldSamples&, const py::object&);                   \
  template void hold_samples(HeldSamples&, const py::object&, const py::object&,   \
                             const std::optional<Order>&, const Network<T>&);      \
  template void hold_weights(HeldSamples&, const py::object&, const Network<T>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::bindings
