#include <pybind11/stl.h>

#include "common.hpp"
#include "runtime/philox.hpp"

namespace unitgain::bindings {

namespace {

// Calls fill(RandomStream, T* data, Index size) on an array's memory, without the GIL.
template <class Fill>
void fill_array(py::array& array, std::uint64_t key, std::uint64_t stream, Fill&& fill) {
  if (!(array.flags() & py::array::c_style)) throw ValueError("array must be C-contiguous");
  dispatch_float(array, "array", [&](auto zero) {
    auto* data = static_cast<decltype(zero)*>(array.mutable_data());
    const Index size = array.size();
    const py::gil_scoped_release release;
    fill(runtime::RandomStream(key, stream), data, size);
  });
}

void fill_uniform(py::array array, std::uint64_t key, std::uint64_t stream, double low,
                  double high) {
  fill_array(array, key, stream, [=](const runtime::RandomStream& random, auto* data, Index size) {
    runtime::fill_uniform(random, data, size, low, high);
  });
}

void fill_normal(py::array array, std::uint64_t key, std::uint64_t stream, double mean,
                 double deviation) {
  fill_array(array, key, stream, [=](const runtime::RandomStream& random, auto* data, Index size) {
    runtime::fill_normal(random, data, size, mean, deviation);
  });
}

void fill_truncated_normal(py::array array, std::uint64_t key, std::uint64_t stream, double mean,
                           double deviation) {
  fill_array(array, key, stream, [=](const runtime::RandomStream& random, auto* data, Index size) {
    runtime::fill_truncated_normal(random, data, size, mean, deviation);
  });
}

py::array_t<Index> permutation(Index n, std::uint64_t key, std::uint64_t stream) {
  if (n < 0) throw ValueError("n must be at least 0, but it is " + std::to_string(n));
  py::array_t<Index> order(n);
  Index* data = order.mutable_data();
  const py::gil_scoped_release release;
  runtime::fill_permutation(runtime::RandomStream(key, stream), data, n);
  return order;
}

}  // namespace

void bind_random(py::module_& module) {
  module.def("philox", &runtime::philox, py::arg("counter"), py::arg("key"),
             "The four words of Philox4x32-10 for four counter words and two key words.");
  module.def("fill_uniform", &fill_uniform, py::arg("array"), py::arg("key"), py::arg("stream"),
             py::arg("low"), py::arg("high"), "Fills with uniform numbers in [low, high).");
  module.def("fill_normal", &fill_normal, py::arg("array"), py::arg("key"), py::arg("stream"),
             py::arg("mean"), py::arg("deviation"), "Fills with normal numbers.");
  module.def("fill_truncated_normal", &fill_truncated_normal, py::arg("array"), py::arg("key"),
             py::arg("stream"), py::arg("mean"), py::arg("deviation"),
             "Fills with normal numbers within two deviations of the mean.");
  module.def("permutation", &permutation, py::arg("n"), py::arg("key"), py::arg("stream"),
             "A random order of 0 ... n - 1.");
}

}  // namespace unitgain::bindings
