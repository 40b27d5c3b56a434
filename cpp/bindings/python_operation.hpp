// A layer written in Python, as an operation of the graph. Its functions are called with copies of
// the buffers, which the next step may write over while Python still holds them.
#pragma once

#include <string>
#include <vector>

#include "callback_arrays.hpp"
#include "common.hpp"
#include "unitgain/network.hpp"

namespace unitgain::bindings {

template <class T>
class PythonOperation final : public CustomOperation<T> {
 public:
  // forward(inputs, training) returns the output; backward(upstream, inputs, output) a pair of the
  // lists of the inputs' and of the parameters' gradients. Arrays have a sample a row.
  PythonOperation(py::object forward, py::object backward,
                  const std::vector<ParameterPtr<T>>& parameters)
      : forward_(std::move(forward)), backward_(std::move(backward)) {
    for (const auto& parameter : parameters) sizes_.push_back(parameter->size());
  }

  void forward(std::span<const MatrixView<const T>> inputs, MatrixView<T> output,
               bool training) override {
    const GilAcquire acquire;
    take(forward_(copies(inputs), training), output.data, output.rows * output.cols, "the output");
  }

  void backward(std::span<const MatrixView<const T>> inputs, MatrixView<const T> output,
                MatrixView<const T> upstream, std::span<const MatrixView<T>> gradients,
                std::span<T* const> parameter_gradients) override {
    const GilAcquire acquire;
    const auto made = py::cast<std::pair<py::list, py::list>>(
        backward_(copy(upstream), copies(inputs), copy(output)));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i].data == nullptr) continue;
      take(made.first[i], gradients[i].data, gradients[i].rows * gradients[i].cols,
           "the gradient of an input");
    }
    for (std::size_t i = 0; i < parameter_gradients.size(); ++i) {
      if (parameter_gradients[i] == nullptr) continue;
      take(made.second[i], parameter_gradients[i], sizes_[i], "the gradient of a weight");
    }
  }

 private:
  static py::array_t<T> copy(const MatrixView<const T>& from) {
    return copy_of(from.data, {from.rows, from.cols});
  }
  static py::list copies(std::span<const MatrixView<const T>> from) {
    py::list arrays;
    for (const auto& matrix : from) arrays.append(copy(matrix));
    return arrays;
  }
  Callable forward_, backward_;
  std::vector<Index> sizes_;
};

}  // namespace unitgain::bindings
