#include <pybind11/stl.h>

#include <vector>

#include "common.hpp"
#include "unitgain/activation.hpp"
#include "unitgain/matmul.hpp"

namespace unitgain::bindings {

namespace {

using Shape = std::vector<py::ssize_t>;

// By numpy.matmul's rules, the last two dimensions multiply, the others broadcast, and a 1-D
// operand is a row (a) or a column (b) whose dimension is dropped at the end.
Shape leading(const py::array& array) {
  if (array.ndim() <= 2) return {};
  return Shape(array.shape(), array.shape() + array.ndim() - 2);
}

Shape broadcast(const py::array& a, const py::array& b) {
  const Shape x = leading(a), y = leading(b);
  Shape shape(std::max(x.size(), y.size()), 1);
  for (const Shape* source : {&x, &y}) {
    const std::size_t offset = shape.size() - source->size();
    for (std::size_t d = 0; d < source->size(); ++d) {
      py::ssize_t& size = shape[offset + d];
      const py::ssize_t other = (*source)[d];
      if (other == 1) continue;
      if (size != 1 && size != other) {
        throw ValueError("a has shape " + shape_text(a) + " and b has shape " + shape_text(b) +
                         ": their leading dimensions do not broadcast");
      }
      size = other;
    }
  }
  return shape;
}

// A 1-D operand as the matrix it stands for.
template <class T>
MatrixView<const T> operand_view(const py::array& array, bool is_left) {
  if (array.ndim() >= 2) return matrix_view<T>(array);
  const Index stride = array.strides(0) / static_cast<Index>(sizeof(T));
  const auto* data = static_cast<const T*>(array.data());
  if (is_left) return {data, 1, array.shape(0), 0, stride};
  return {data, array.shape(0), 1, stride, 1};
}

// Byte offset of element `index` of the stack in an array whose leading dimensions broadcast to it.
py::ssize_t stack_offset(const py::array& array, const Shape& stack, py::ssize_t index) {
  py::ssize_t offset = 0;
  const py::ssize_t own = std::max<py::ssize_t>(0, array.ndim() - 2);
  for (py::ssize_t d = 0; d < own; ++d) {
    const py::ssize_t axis = own - 1 - d;
    const py::ssize_t size = stack[stack.size() - 1 - static_cast<std::size_t>(d)];
    if (array.shape(axis) != 1) offset += (index % size) * array.strides(axis);
    index /= size;
  }
  return offset;
}

template <class T>
MatrixView<T> moved(MatrixView<T> view, py::ssize_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  view.data = reinterpret_cast<T*>(reinterpret_cast<Byte*>(view.data) + bytes);
  return view;
}

void check_operand(const py::array& array, const char* name) {
  if (array.ndim() == 0) {
    throw ValueError(std::string(name) + " is a scalar, expected at least one dimension");
  }
}

Shape result_shape(const py::array& a, const py::array& b, const Shape& stack) {
  Shape shape = stack;
  if (a.ndim() > 1) shape.push_back(a.shape(a.ndim() - 2));
  if (b.ndim() > 1) shape.push_back(b.shape(b.ndim() - 1));
  const py::ssize_t inner = a.shape(a.ndim() - 1);
  const py::ssize_t rows = b.ndim() > 1 ? b.shape(b.ndim() - 2) : b.shape(0);
  if (inner != rows) {
    throw ValueError("b has shape " + shape_text(b) + ", but a has shape " + shape_text(a) +
                     ": b must have " + std::to_string(inner) + " rows");
  }
  return shape;
}

void check_same_dtype(const py::array& array, const char* name, const py::array& a) {
  if (is_float32(array, name) != is_float32(a, "a")) {
    throw TypeError(std::string(name) + " has dtype " +
                    py::cast<std::string>(py::str(array.dtype())) + ", but a has dtype " +
                    py::cast<std::string>(py::str(a.dtype())) + ": convert one of them");
  }
}

void check_out(const py::object& out_object, const py::array& a, const Shape& shape) {
  if (!py::isinstance<py::array>(out_object)) throw TypeError("out must be a NumPy array");
  const auto out = py::reinterpret_borrow<py::array>(out_object);
  check_same_dtype(out, "out", a);
  if (Shape(out.shape(), out.shape() + out.ndim()) != shape) {
    throw ValueError("out has shape " + shape_text(out) + ", but the product has shape " +
                     py::cast<std::string>(py::str(py::tuple(py::cast(shape)))));
  }
  if (!out.writeable()) throw ValueError("out is read-only");
}

// Whether writing `out` could change one of the inputs while it is still read, or `out` is no array
// of whole aligned elements: then the product goes to a fresh array first.
bool needs_fresh_array(const py::object& out, std::initializer_list<py::object> inputs) {
  if (!is_viewable(py::reinterpret_borrow<py::array>(out))) return true;
  const py::object may_share = py::module_::import("numpy").attr("may_share_memory");
  for (const py::object& input : inputs) {
    if (py::isinstance<py::array>(input) && py::cast<bool>(may_share(out, input))) return true;
  }
  return false;
}

template <class T>
py::array multiply(const py::array& a, const py::array& b, const py::object& out_object,
                   const py::object& bias_object, const ActivationSpec& activation) {
  const Shape stack = broadcast(a, b);
  const Shape shape = result_shape(a, b, stack);
  const py::ssize_t columns = b.ndim() > 1 ? b.shape(b.ndim() - 1) : 1;

  if (!out_object.is_none()) check_out(out_object, a, shape);
  const bool fresh = out_object.is_none() || needs_fresh_array(out_object, {a, b, bias_object});
  py::array out = fresh ? new_array<T>(shape) : py::reinterpret_borrow<py::array>(out_object);

  MatmulOptions<T> options;
  options.activation = activation;
  py::array bias;
  if (!bias_object.is_none()) {
    bias = as_array(bias_object);
    check_same_dtype(bias, "bias", a);
    if (bias.ndim() != 1 || bias.shape(0) != columns) {
      throw ValueError("bias has shape " + shape_text(bias) + ", expected (" +
                       std::to_string(columns) + ",)");
    }
    bias = py::array_t<T, py::array::c_style | py::array::forcecast>(bias);
    options.bias = static_cast<const T*>(bias.data());
  }

  const MatrixView<const T> left = operand_view<T>(a, true), right = operand_view<T>(b, false);
  // The result as matrices: what a 1-D operand dropped is put back with stride 0.
  constexpr auto size = static_cast<Index>(sizeof(T));
  MatrixView<T> result{static_cast<T*>(out.mutable_data()), left.rows, right.cols, 0, 1};
  py::ssize_t axis = out.ndim();
  if (b.ndim() > 1) result.col_stride = out.strides(--axis) / size;
  if (a.ndim() > 1) result.row_stride = out.strides(--axis) / size;
  py::ssize_t count = 1;
  for (const py::ssize_t dimension : stack) count *= dimension;

  std::vector<py::ssize_t> offsets(static_cast<std::size_t>(3 * count));
  for (py::ssize_t i = 0; i < count; ++i) {
    auto* offset = &offsets[static_cast<std::size_t>(3 * i)];
    offset[0] = stack_offset(a, stack, i);
    offset[1] = stack_offset(b, stack, i);
    py::ssize_t rest = i;
    for (std::size_t d = stack.size(); d-- > 0; rest /= stack[d]) {
      offset[2] += (rest % stack[d]) * out.strides(static_cast<py::ssize_t>(d));
    }
  }
  {
    py::gil_scoped_release release;
    for (std::size_t i = 0; i < offsets.size(); i += 3) {
      matmul<T>(moved(left, offsets[i]), moved(right, offsets[i + 1]),
                moved(result, offsets[i + 2]), options);
    }
  }
  if (fresh && !out_object.is_none()) {
    out_object[py::ellipsis()] = out;
    return py::reinterpret_borrow<py::array>(out_object);
  }
  return out;
}

py::object matmul_any(const py::object& a_object, const py::object& b_object, const py::object& out,
                      const py::object& bias, const py::object& activation) {
  const py::array a = viewable(as_array(a_object)), b = viewable(as_array(b_object));
  check_operand(a, "a");
  check_operand(b, "b");
  ActivationSpec spec = {};
  if (!activation.is_none()) spec = activation_spec(py::cast<std::string>(activation));
  check_same_dtype(b, "b", a);
  py::array result = is_float32(a, "a") ? multiply<float>(a, b, out, bias, spec)
                                        : multiply<double>(a, b, out, bias, spec);
  if (result.ndim() == 0 && out.is_none()) return result[py::tuple()];  // a scalar, as NumPy gives
  return result;
}

}  // namespace

void bind_ops(py::module_& module) {
  module.def("matmul", &matmul_any, py::arg("a"), py::arg("b"), py::arg("out") = py::none(),
             py::arg("bias") = py::none(), py::arg("activation") = py::none());
}

}  // namespace unitgain::bindings
