#include "common.hpp"

#include "runtime/buffer_pool.hpp"

namespace unitgain::bindings {

std::vector<py::ssize_t> shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

std::string shape_text(const py::array& array) {
  return py::cast<std::string>(py::str(py::tuple(array.attr("shape"))));
}

std::string shape_text(const std::vector<py::ssize_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  text += shape.size() == 1 ? ",)" : ")";
  return text;
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
  return called(py::module_::import("numpy").attr("asarray"), py::make_tuple(object));
}

py::array as_float_array(const py::handle& object) {
  if (py::isinstance<py::array>(object)) return py::reinterpret_borrow<py::array>(object);
  const py::module_ numpy = py::module_::import("numpy");
  if (py::isinstance(object, numpy.attr("generic"))) {
    return called(numpy.attr("asarray"), py::make_tuple(object));
  }
  return called(numpy.attr("asarray"), py::make_tuple(object, numpy.attr("float64")));
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
  return called(py::module_::import("numpy").attr("ascontiguousarray"), py::make_tuple(array));
}

namespace {

struct Bytes {
  const char* begin;
  const char* end;
};

Bytes memory_of(const py::array& array) {
  Bytes bytes = {static_cast<const char*>(array.data()), static_cast<const char*>(array.data())};
  if (array.size() == 0) return bytes;
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    const py::ssize_t reach = (array.shape(d) - 1) * array.strides(d);
    (reach < 0 ? bytes.begin : bytes.end) += reach;
  }
  bytes.end += array.itemsize();
  return bytes;
}

// Owns a buffer of the pool: the base of the array that lies in it. Its context is its size.
py::object pool_owner(void* memory, Index bytes) {
  const auto release = [](PyObject* capsule) {
    runtime::give_back_buffer(static_cast<std::byte*>(PyCapsule_GetPointer(capsule, nullptr)),
                              reinterpret_cast<Index>(PyCapsule_GetContext(capsule)));
  };
  PyObject* capsule = PyCapsule_New(memory, nullptr, release);
  if (capsule == nullptr) {
    runtime::give_back_buffer(static_cast<std::byte*>(memory), bytes);
    throw py::error_already_set();
  }
  PyCapsule_SetContext(capsule, reinterpret_cast<void*>(bytes));
  return py::reinterpret_steal<py::object>(capsule);
}

}  // namespace

bool may_overlap(const py::array& a, const py::array& b) {
  const Bytes x = memory_of(a), y = memory_of(b);
  return x.begin < y.end && y.begin < x.end;
}

py::array new_array(const py::dtype& dtype, const std::vector<py::ssize_t>& shape,
                    const std::vector<py::ssize_t>& strides) {
  Index bytes = dtype.itemsize();
  // An overflow wraps to what NumPy's own check of the shape refuses.
  for (const py::ssize_t size : shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) bytes = 0;
    if (bytes == 0) break;
  }
  if (bytes < runtime::pooled_bytes) return py::array(dtype, shape, strides);
  void* memory = nullptr;
  try {
    memory = runtime::take_buffer(bytes, "an array");
  } catch (const MemoryError&) {
    const std::string purpose = "an array of shape " + shape_text(shape) + " and dtype " +
                                py::cast<std::string>(py::str(dtype));
    throw MemoryError(static_cast<std::size_t>(bytes), purpose.c_str());
  }
  return py::array(dtype, shape, strides, memory, pool_owner(memory, bytes));
}

py::object new_matrix(PyObject* descriptor, Index rows, Index cols, Index item_bytes) {
  const py::dtype dtype = py::reinterpret_borrow<py::dtype>(descriptor);
  if (rows > runtime::pooled_bytes || cols > runtime::pooled_bytes ||
      rows * cols * item_bytes >= runtime::pooled_bytes) {
    return new_array(dtype, {rows, cols});
  }
  const auto& api = py::detail::npy_api::get();
  const Py_intptr_t shape[] = {rows, cols};
  PyObject* array = api.PyArray_NewFromDescr_(api.PyArray_Type_, dtype.inc_ref().ptr(), 2, shape,
                                              nullptr, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

}  // namespace unitgain::bindings
