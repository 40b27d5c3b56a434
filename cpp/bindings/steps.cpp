// Networks and optimizers held between two steps.
#include "nn/steps.hpp"

#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "common.hpp"

namespace unitgain::bindings {

namespace {

std::unique_ptr<nn::Still> still_of(const std::optional<std::vector<py::array>>& arrays) {
  if (!arrays) return std::make_unique<nn::Still>(std::nullopt);
  std::vector<const void*> memory;
  for (const py::array& array : *arrays) memory.push_back(array.data());
  return std::make_unique<nn::Still>(memory);
}

}  // namespace

void bind_steps(py::module_& module) {
  py::class_<nn::Still>(module, "Still",
                        "Holds what changes one of the arrays, or without them every network and "
                        "optimizer, between two steps.")
      .def(py::init(&still_of), py::arg("arrays") = py::none())
      .def(
          "hold",
          [](nn::Still& still, std::optional<double> longest_wait) {
            const GilRelease release;
            still.hold(longest_wait ? std::optional(nn::Still::Seconds(*longest_wait))
                                    : std::nullopt);
          },
          py::arg("longest_wait") = py::none(),
          "Waits for the steps that run, for so many seconds at most.")
      .def("release", &nn::Still::release)
      .def("__enter__",
           [](nn::Still& still) {
             const GilRelease release;
             still.hold();
           })
      .def("__exit__", [](nn::Still& still, const py::args&) { still.release(); });
}

}  // namespace unitgain::bindings
