// The samples of a call, of NumPy's arrays.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "common.hpp"
#include "unitgain/network.hpp"

namespace unitgain::bindings {

// A two-dimensional array as samples; `keep` holds what the samples point into.
template <class T>
SampleArray sample_array(const py::array& array, const char* name, py::array& keep);

using Order = py::array_t<Index, py::array::c_style>;

// The samples of one call, with the arrays that they point into.
struct HeldSamples {
  Samples samples;
  std::vector<py::object> arrays;
  std::vector<SampleArray> x;
  std::vector<Target> y;
  std::optional<Order> order;
};

// x: an array, or one for each input.
template <class T>
void hold_inputs(HeldSamples& held, const py::object& x);

// The same with y, of which None is the target of an output without a loss; and the rows in an
// order.
template <class T>
void hold_samples(HeldSamples& held, const py::object& x, const py::object& y,
                  const std::optional<Order>& order, const Network<T>& network);

// Weights of the rows of the outputs: None, an array, or a sequence of them.
template <class T>
void hold_weights(HeldSamples& held, const py::object& weights, const Network<T>& network);

// New arrays for the gradients of a network's trainable parameters.
template <class T>
struct GradientArrays {
  explicit GradientArrays(const Network<T>& network) {
    for (const ParameterPtr<T>& parameter : network.trainable()) {
      py::array_t<T> array = new_array<T>(parameter->shape());
      pointers.push_back(array.mutable_data());
      arrays.append(std::move(array));
    }
  }

  py::list arrays;
  std::vector<T*> pointers;
};

}  // namespace unitgain::bindings
