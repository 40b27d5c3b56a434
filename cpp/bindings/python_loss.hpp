// A loss written in Python.
#pragma once

#include <string>
#include <utility>

#include "callback_arrays.hpp"
#include "common.hpp"
#include "unitgain/loss.hpp"

namespace unitgain::bindings {

// Copies of a batch's targets, or labels, and of its outputs: the next step may write over the
// buffers while Python still holds the arrays.
inline std::pair<py::object, py::object> copies_of(const OutputBatch& batch) {
  const auto matrix = [&](const void* data, Index cols) -> py::object {
    if (batch.is_double) return copy_of(static_cast<const double*>(data), {batch.rows, cols});
    return copy_of(static_cast<const float*>(data), {batch.rows, cols});
  };
  const py::object outputs = matrix(batch.outputs, batch.cols);
  if (batch.labels == nullptr) return {matrix(batch.targets, batch.target_cols), outputs};
  return {copy_of(batch.labels, {batch.rows}), outputs};
}

class PythonLoss final : public CustomLoss {
 public:
  // compute(y_true, y_pred, with_gradient, weights) returns the rows' losses, and their gradient or
  // None; `weights` are None unless the rows are joint.
  PythonLoss(py::object compute, bool joins_rows)
      : compute_(std::move(compute)), joins_rows_(joins_rows) {}

  bool joins_rows() const override { return joins_rows_; }

  void compute(const OutputBatch& batch, double* row_losses, void* gradient) override {
    const GilAcquire acquire;
    const auto [targets, outputs] = copies_of(batch);
    py::object weights = py::none();
    if (joins_rows_ && batch.weights != nullptr) {
      weights = py::array_t<double>(batch.rows, batch.weights);
    }
    const auto made = py::cast<std::pair<py::object, py::object>>(
        compute_(targets, outputs, gradient != nullptr, weights));
    take(made.first, row_losses, batch.rows, "the loss");
    if (gradient == nullptr) return;
    const Index size = batch.rows * batch.cols;
    if (batch.is_double) {
      take(made.second, static_cast<double*>(gradient), size, "the gradient of the loss");
    } else {
      take(made.second, static_cast<float*>(gradient), size, "the gradient of the loss");
    }
  }

 private:
  Callable compute_;
  bool joins_rows_;
};

}  // namespace unitgain::bindings
