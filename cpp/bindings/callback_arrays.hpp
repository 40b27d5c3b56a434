// The arrays that native code gives to Python code and gets from it. Nothing here lets the GIL go,
// as NumPy does while it copies, but where the thread may sleep (see gil.hpp).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common.hpp"

namespace unitgain::bindings {

// A copy: the next step may write over the values while Python still holds the array.
template <class T>
py::array_t<T> copy_of(const T* values, const std::vector<py::ssize_t>& shape) {
  py::array_t<T> copy = new_array<T>(shape);
  std::copy_n(values, copy.size(), copy.mutable_data());
  return copy;
}

// The array as a C-contiguous one of T, a copy if need be.
template <class T>
py::array_t<T> converted(const py::object& given) {
  using Contiguous = py::array_t<T, py::array::c_style>;
  if (py::isinstance<Contiguous>(given)) return py::reinterpret_borrow<py::array_t<T>>(given);
  const auto& api = py::detail::npy_api::get();
  constexpr int flags =
      py::array::c_style | py::array::forcecast | py::detail::npy_api::NPY_ARRAY_ENSUREARRAY_;
  PyObject* descriptor = py::dtype::of<T>().release().ptr();
  SleepIfUnwound guard;
  PyObject* array = api.PyArray_FromAny_(given.ptr(), descriptor, 0, 0, flags, nullptr);
  guard.done();
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::array_t<T>>(array);
}

// Writes what a callback gave for `what` to `to`.
template <class T>
void take(const py::object& given, T* to, Index size, const char* what) {
  const py::array_t<T> array = converted<T>(given);
  if (array.size() != size) {
    throw ValueError(std::string(what) + " has " + std::to_string(array.size()) +
                     " values, expected " + std::to_string(size));
  }
  std::copy_n(array.data(), size, to);
}

}  // namespace unitgain::bindings
