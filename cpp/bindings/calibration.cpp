#include "unitgain/calibration.hpp"

#include <memory>

#include "common.hpp"

namespace unitgain::bindings {

namespace {

using Values = py::array_t<double, py::array::c_style>;
using Labels = py::array_t<std::int32_t, py::array::c_style>;

LabelledLogits labelled(const Values& logits, const Labels& labels) {
  if (logits.ndim() != 2 || logits.shape(0) == 0 || logits.shape(1) == 0) {
    throw ValueError("logits has shape " + shape_text(logits) + ", expected (rows, classes)");
  }
  if (labels.ndim() != 1 || labels.shape(0) != logits.shape(0)) {
    throw ValueError("labels has shape " + shape_text(labels) + ", but logits has shape " +
                     shape_text(logits));
  }
  for (py::ssize_t i = 0; i < labels.size(); ++i) {
    if (labels.data()[i] < 0 || labels.data()[i] >= logits.shape(1)) {
      throw ValueError("labels has " + std::to_string(labels.data()[i]) + ", but logits has " +
                       std::to_string(logits.shape(1)) + " classes");
    }
  }
  return {logits.data(), logits.shape(0), logits.shape(1), labels.data()};
}

std::span<const double> column(const Values& z, const Values& y) {
  if (z.ndim() != 1 || z.size() == 0 || y.ndim() != 1 || y.size() != z.size()) {
    throw ValueError("z has shape " + shape_text(z) + " and y " + shape_text(y) +
                     ", expected one value each of as many rows");
  }
  return {z.data(), static_cast<std::size_t>(z.size())};
}

py::array_t<double> array_of(const std::vector<double>& values) {
  return py::array_t<double>(std::ssize(values), values.data());
}

}  // namespace

void bind_calibration(py::module_& module) {
  module.def(
      "fit_temperature",
      [](const Values& logits, const Labels& labels) {
        const LabelledLogits given = labelled(logits, labels);
        const GilRelease release;
        return fit_temperature(given);
      },
      py::arg("logits"), py::arg("labels"));
  module.def(
      "fit_vector_scaling",
      [](const Values& logits, const Labels& labels) {
        const LabelledLogits given = labelled(logits, labels);
        Scaling found;
        {
          const GilRelease release;
          found = fit_vector_scaling(given);
        }
        return py::make_tuple(array_of(found.scale), array_of(found.offset));
      },
      py::arg("logits"), py::arg("labels"));
  module.def(
      "fit_sigmoid",
      [](const Values& z, const Values& y) {
        const std::span<const double> logits = column(z, y);
        const auto is_class = std::make_unique<bool[]>(logits.size());
        for (std::size_t i = 0; i < logits.size(); ++i) is_class[i] = y.data()[i] != 0;
        Sigmoid found{};
        {
          const GilRelease release;
          found = fit_sigmoid(logits, {is_class.get(), logits.size()});
        }
        return py::make_tuple(found.scale, found.offset);
      },
      py::arg("z"), py::arg("y"));
  module.def(
      "fit_isotonic",
      [](const Values& z, const Values& y) {
        const std::span<const double> logits = column(z, y);
        Steps found;
        {
          const GilRelease release;
          found = fit_isotonic(logits, {y.data(), logits.size()});
        }
        return py::make_tuple(array_of(found.points), array_of(found.values));
      },
      py::arg("z"), py::arg("y"));
}

}  // namespace unitgain::bindings
