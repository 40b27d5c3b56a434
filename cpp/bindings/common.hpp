// Shared by the bindings of every namespace: NumPy arrays as views, and messages for the wrong
// ones.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <type_traits>
#include <vector>

#include "gil.hpp"
#include "unitgain/error.hpp"
#include "unitgain/types.hpp"

namespace unitgain::bindings {

namespace py = pybind11;

// The text of a MemoryError where the C++ library has none.
inline constexpr const char* no_memory = "cannot allocate memory";

std::vector<py::ssize_t> shape_of(const py::array& array);

// "(64, 10)"
std::string shape_text(const py::array& array);
std::string shape_text(const std::vector<py::ssize_t>& shape);

// True for float32, false for float64 (native byte order); a TypeError naming the argument
// otherwise.
bool is_float32(const py::array& array, const char* name);

// numpy.asarray: lists and scalars become float64 arrays, arrays stay what they are.
py::array as_array(const py::handle& object);

// The same for a function whose numbers have no other type: lists become float64, and so do
// Python's own numbers.
py::array as_float_array(const py::handle& object);

// Whether the array's strides are whole elements and its data aligned, so that a view can describe
// it.
bool is_viewable(const py::array& array);
// The array itself if it is viewable, else a contiguous copy.
py::array viewable(py::array array);

// The last two dimensions of a viewable array of two or more, as a view.
template <class T>
MatrixView<const T> matrix_view(const py::array& array) {
  const auto d = array.ndim();
  constexpr auto size = static_cast<Index>(sizeof(T));
  return {static_cast<const T*>(array.data()), array.shape(d - 2), array.shape(d - 1),
          array.strides(d - 2) / size, array.strides(d - 1) / size};
}
template <class T>
MatrixView<T> mutable_matrix_view(py::array& array) {
  const MatrixView<const T> v = matrix_view<T>(array);
  return {static_cast<T*>(array.mutable_data()), v.rows, v.cols, v.row_stride, v.col_stride};
}

// Calls body(T{}) with T float or double, as the array's dtype says.
template <class Body>
decltype(auto) dispatch_float(const py::array& array, const char* name, Body&& body) {
  if (is_float32(array, name)) return body(float{});
  return body(double{});
}

// Whether the memory that the arrays reach has an address in common; an array without elements
// reaches none.
bool may_overlap(const py::array& a, const py::array& b);

// A fresh uninitialised array, C-contiguous or with the given strides in bytes (which must fill it
// without gaps). Large ones live in recycled memory (runtime/buffer_pool.hpp) and give it back.
py::array new_array(const py::dtype& dtype, const std::vector<py::ssize_t>& shape,
                    const std::vector<py::ssize_t>& strides = {});
template <class T>
py::array_t<T> new_array(const std::vector<py::ssize_t>& shape) {
  return new_array(py::dtype::of<T>(), shape);
}

// NumPy's dtype of T, one object for all of its arrays of native byte order. Set when the module is
// made: a static that its first user made would lock that one out who has the GIL meanwhile.
template <class T>
inline PyObject* descriptor_of = nullptr;

// A fresh C-contiguous matrix whose dtype is the descriptor, faster for small ones.
py::object new_matrix(PyObject* descriptor, Index rows, Index cols, Index item_bytes);

// Each namespace's functions, defined in the file of its name.
void bind_runtime(py::module_& module);
void bind_matmul(py::module_& module);
void bind_packed_matrix(py::module_& module);
void bind_activations(py::module_& module);
void bind_prelu(py::module_& module);
void bind_linalg(py::module_& module);
void bind_cluster(py::module_& module);
void bind_calibration(py::module_& module);
void bind_random(py::module_& module);
void bind_losses(py::module_& module);
void bind_metrics(py::module_& module);
void bind_steps(py::module_& module);
void bind_nn(py::module_& module);
void bind_expressions(py::module_& module);
// Types that networks and optimizers share are bound before bind_nn(), the rest after.
void bind_optimizer_types(py::module_& module);
void bind_optimizer(py::module_& module);
void bind_ops_for_tests(py::module_& module);

}  // namespace unitgain::bindings
