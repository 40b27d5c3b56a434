#include <pybind11/stl.h>

#include <string>

#include "common.hpp"
#include "ops/noise.hpp"
#include "runtime/parallel.hpp"
#include "runtime/philox.hpp"
#include "unitgain/noise.hpp"

namespace unitgain::bindings {

namespace {

// Calls fill(RandomStream, T* data, Index size) on an array's memory, without the GIL.
template <class Fill>
void fill_array(py::array& array, std::uint64_t key, std::uint64_t stream, Fill&& fill) {
  if (!(array.flags() & py::array::c_style)) throw ValueError("array must be C-contiguous");
  dispatch_float(array, "array", [&](auto zero) {
    auto* data = static_cast<decltype(zero)*>(array.mutable_data());
    const Index size = array.size();
    const GilRelease release;
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
  const GilRelease release;
  runtime::fill_permutation(runtime::RandomStream(key, stream), data, n);
  return order;
}

constexpr double noise_work = 0.5;  // nanoseconds a value, roughly

py::array add_noise(const std::string& name, const std::vector<double>& parameters,
                    const py::array& x, std::uint64_t key, std::uint64_t stream) {
  const NoiseSpec spec = noise_spec(name, parameters);
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    const py::array_t<T, py::array::c_style | py::array::forcecast> input(x);
    py::array_t<T> y = new_array<T>(shape_of(x));
    const T* from = input.data();
    T* to = y.mutable_data();
    const Index n = x.size();
    {
      const GilRelease release;
      runtime::parallel(
          runtime::threads_for(noise_work * static_cast<double>(n)),
          [&](const runtime::Team& team) { ops::noise<T>(team, spec, from, to, n, key, stream); });
    }
    return y;
  });
}

py::array noise_gradient(const std::string& name, const std::vector<double>& parameters,
                         const py::array& x, const py::array& upstream, std::uint64_t key,
                         std::uint64_t stream) {
  const NoiseSpec spec = noise_spec(name, parameters);
  if (upstream.size() != x.size()) throw ValueError("upstream has another size than x");
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    const py::array_t<T, py::array::c_style | py::array::forcecast> input(x), above(upstream);
    py::array_t<T> result = new_array<T>(shape_of(x));
    const T *from = input.data(), *up = above.data();
    T* to = result.mutable_data();
    const Index n = x.size();
    {
      const GilRelease release;
      runtime::parallel(runtime::threads_for(noise_work * static_cast<double>(n)),
                        [&](const runtime::Team& team) {
                          ops::noise_gradient<T>(team, spec, from, up, to, n, key, stream);
                        });
    }
    return result;
  });
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
  module.def("noise", &add_noise, py::arg("name"), py::arg("parameters"), py::arg("x"),
             py::arg("key"), py::arg("stream"), "x with noise of that name.");
  module.def("noise_gradient", &noise_gradient, py::arg("name"), py::arg("parameters"),
             py::arg("x"), py::arg("upstream"), py::arg("key"), py::arg("stream"),
             "upstream times the derivative of what noise() gives for the same arguments.");
}

}  // namespace unitgain::bindings
