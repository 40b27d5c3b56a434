#include "common.hpp"

namespace unitgain::bindings {

std::string shape_text(const py::array& array) {
  return py::cast<std::string>(py::str(py::tuple(array.attr("shape"))));
}

bool is_float32(const py::array& array, const char* name) {
  if (py::isinstance<py::array_t<float>>(array)) return true;
  if (py::isinstance<py::array_t<double>>(array)) return false;
  throw TypeError(std::string(name) + " has dtype " +
                  py::cast<std::string>(py::str(array.dtype())) +
                  ", expected float32 or float64 (convert it with " + name + ".astype)");
}

py::array as_array(const py::handle& object) {
  if (py::isinstance<py::array>(object)) return py::reinterpret_borrow<py::array>(object);
  return py::module_::import("numpy").attr("asarray")(object);
}

bool is_viewable(const py::array& array) {
  if (!(array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) return false;
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    if (array.strides(d) % array.itemsize() != 0) return false;
  }
  return true;
}

py::array viewable(py::array array) {
  if (is_viewable(array)) return array;
  return py::module_::import("numpy").attr("ascontiguousarray")(array);
}

}  // namespace unitgain::bindings
