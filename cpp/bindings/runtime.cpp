#include "unitgain/runtime.hpp"

#include <pybind11/stl.h>

#include "arguments.hpp"
#include "base/system.hpp"
#include "common.hpp"
#include "ops/peak.hpp"
#include "runtime/buffer_pool.hpp"
#include "runtime/threading_layer.hpp"

namespace unitgain::bindings {

namespace {

// The path of a file that lies beside this module's.
std::string beside_this_module(const std::string& name) {
  const auto* here = reinterpret_cast<const void*>(&beside_this_module);
  const std::string path = base::path_of_object(here);
  return path.substr(0, path.find_last_of("/\\") + 1) + name;
}

}  // namespace

void bind_runtime(py::module_& module) {
  module.def(
      "active_variant", [] { return active_variant(); },
      "The name of the instruction-set variant that runs.");
  module.def(
      "variants",
      [] {
        py::list all;
        for (const VariantStatus& status : variants()) {
          all.append(py::make_tuple(status.name, status.missing));
        }
        return all;
      },
      "(name, what this machine lacks for it) of each variant in this build.");
  module.def("set_reproducible", &set_reproducible, py::arg("on"), py::call_guard<GilRelease>());
  module.def("is_reproducible", &is_reproducible);
  module.def("set_num_threads", &set_num_threads, py::arg("threads"));
  module.def("num_threads", &num_threads);
  module.def(
      "set_thread_override", &set_thread_override, py::arg("threads"),
      "Overrides num_threads() on the calling thread; 0 ends it. Returns the last override.");
  runtime::set_openmp_object(beside_this_module(UNITGAIN_OPENMP_OBJECT));
  module.def("set_threading_layer", &runtime::choose_threading_layer, py::arg("name"));
  module.def("threading_layer", &threading_layer);
  module.def("threading_layers", &threading_layers, "The threading layers in this build.");
  module.def(
      "set_float32_matmul_precision",
      [](const py::str& name) { set_float32_matmul_precision(*precision_or_none(name)); },
      py::arg("precision"));
  module.def("float32_matmul_precision", [] { return precision_name(float32_matmul_precision()); });
  module.def(
      "set_precision_override",
      [](const py::object& name) -> std::optional<std::string> {
        const auto before = set_precision_override(precision_or_none(name));
        if (!before) return std::nullopt;
        return precision_name(*before);
      },
      py::arg("precision"),
      "Overrides float32_matmul_precision() on the calling thread; None ends it. Returns the last "
      "override.");
  module.def("cache_memory", &runtime::kept_bytes, "Bytes kept for the next large results.");
  module.def("cache_limit", &runtime::kept_limit);
  module.def("set_cache_limit", &runtime::set_kept_limit, py::arg("limit"));
  module.def("clear_cache", &runtime::release_kept);
  module.def(
      "peak_rates",
      [](int threads) {
        const ops::PeakRates rates = [&] {
          GilRelease release;
          return ops::peak_rates(threads);
        }();
        py::dict named;
        named["float32"] = rates.multiply_adds_f32;
        named["float64"] = rates.multiply_adds_f64;
        if (rates.dot_products > 0) named["avx512_bf16"] = rates.dot_products;
        if (rates.tile_products > 0) named["amx_bf16"] = rates.tile_products;
        return named;
      },
      py::arg("threads"),
      "Floating-point operations a second of the threads together, measured: of multiply-adds by "
      "dtype, and of the bfloat16 instructions that can run.");
  module.def("read_rate", &ops::read_rate, py::arg("bytes"), py::arg("threads"),
             py::call_guard<GilRelease>(),
             "Bytes a second at which the threads together read so many bytes over and over.");
  module.def(
      "empty",
      [](const std::vector<py::ssize_t>& shape, const py::dtype& dtype) {
        return new_array(dtype, shape);
      },
      py::arg("shape"), py::arg("dtype"), "An uninitialised array, if large in recycled memory.");
}

}  // namespace unitgain::bindings
