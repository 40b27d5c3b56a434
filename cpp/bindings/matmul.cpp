// unitgain.matmul: a plain C function, as a call of it is to cost no more than a product of 8 x 8.
#include "unitgain/matmul.hpp"

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "arguments.hpp"
#include "common.hpp"
#include "packed_matrix.hpp"
#include "unitgain/activation.hpp"

namespace unitgain::bindings {

namespace {

using Shape = std::vector<py::ssize_t>;

// ---- operands of any number of dimensions ----

// By numpy.matmul's rules, the last two dimensions multiply, the others broadcast, and a 1-D
// operand is a row (a) or a column (b) whose dimension is dropped at the end.
struct Operand {
  Shape shape;  // with NumPy's dimensions
  Shape strides;

  explicit Operand(const py::array& array)
      : shape(shape_of(array)), strides(array.strides(), array.strides() + array.ndim()) {}
  // A packed matrix, which has no strides.
  Operand(Index rows, Index cols) : shape{rows, cols}, strides{0, 0} {}

  std::size_t dimensions() const { return shape.size(); }
  std::size_t leading() const { return shape.size() <= 2 ? 0 : shape.size() - 2; }
};

Shape broadcast(const Operand& a, const Operand& b) {
  Shape stack(std::max(a.leading(), b.leading()), 1);
  for (const Operand* operand : {&a, &b}) {
    const std::size_t offset = stack.size() - operand->leading();
    for (std::size_t d = 0; d < operand->leading(); ++d) {
      py::ssize_t& size = stack[offset + d];
      const py::ssize_t own = operand->shape[d];
      if (own == 1) continue;
      if (size != 1 && size != own) {
        throw ValueError("a has shape " + shape_text(a.shape) + " and b has shape " +
                         shape_text(b.shape) + ": their leading dimensions do not broadcast");
      }
      size = own;
    }
  }
  return stack;
}

Shape result_shape(const Operand& a, const Operand& b, const Shape& stack) {
  Shape shape = stack;
  const std::size_t x = a.dimensions(), y = b.dimensions();
  if (x > 1) shape.push_back(a.shape[x - 2]);
  if (y > 1) shape.push_back(b.shape[y - 1]);
  const py::ssize_t inner = a.shape[x - 1], rows = y > 1 ? b.shape[y - 2] : b.shape[0];
  if (inner != rows) {
    throw ValueError("b has shape " + shape_text(b.shape) + ", but a has shape " +
                     shape_text(a.shape) + ": b must have " + std::to_string(inner) + " rows");
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

// The byte offset of product `index` of the stack in an array whose leading dimensions broadcast to
// it.
py::ssize_t stack_offset(const Shape& shape, const Shape& strides, std::size_t leading,
                         const Shape& stack, py::ssize_t index) {
  py::ssize_t offset = 0;
  for (std::size_t d = 0; d < leading; ++d) {
    const std::size_t axis = leading - 1 - d;
    const py::ssize_t size = stack[stack.size() - 1 - d];
    if (shape[axis] != 1) offset += (index % size) * strides[axis];
    index /= size;
  }
  return offset;
}

template <class T>
T* moved(T* data, py::ssize_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(data) + bytes);
}

void check_same_dtype(const py::array& array, const char* name, bool is_float) {
  if (is_float32(array, name) == is_float) return;
  throw TypeError(std::string(name) + " has dtype " +
                  py::cast<std::string>(py::str(array.dtype())) + ", but a has dtype " +
                  (is_float ? "float32" : "float64") + ": convert one of them");
}

py::array checked_operand(const py::handle& object, const char* name) {
  py::array array = viewable(as_array(object));
  if (array.ndim() == 0) {
    throw ValueError(std::string(name) + " is a scalar, expected at least one dimension");
  }
  return array;
}

py::array checked_out(const py::handle& object, bool is_float, const Shape& shape) {
  if (!py::isinstance<py::array>(object)) throw TypeError("out must be a NumPy array");
  auto out = py::reinterpret_borrow<py::array>(object);
  check_same_dtype(out, "out", is_float);
  if (shape_of(out) != shape) {
    throw ValueError("out has shape " + shape_text(out) + ", but the product has shape " +
                     shape_text(shape));
  }
  if (!out.writeable()) throw ValueError("out is read-only");
  return out;
}

struct Arguments {
  py::handle a, b, out, bias, activation, precision;
};

template <class T>
MatmulOptions<T> options_of(const Arguments& arguments, py::ssize_t columns, py::array& bias) {
  MatmulOptions<T> options;
  if (arguments.activation && !arguments.activation.is_none()) {
    options.activation = activation_spec(py::cast<std::string>(arguments.activation));
  }
  options.precision = precision_or_none(arguments.precision);
  if (arguments.bias && !arguments.bias.is_none()) {
    bias = as_array(arguments.bias);
    check_same_dtype(bias, "bias", sizeof(T) == sizeof(float));
    if (bias.ndim() != 1 || bias.shape(0) != columns) {
      throw ValueError("bias has shape " + shape_text(bias) + ", expected (" +
                       std::to_string(columns) + ",)");
    }
    bias = py::array_t<T, py::array::c_style | py::array::forcecast>(bias);
    options.bias = static_cast<const T*>(bias.data());
  }
  return options;
}

// The result as matrices: what a 1-D operand dropped is put back with stride 0.
template <class T>
MatrixView<T> result_view(py::array& out, const Operand& a, const Operand& b) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  MatrixView<T> view{static_cast<T*>(out.mutable_data()), 1, 1, 0, 1};
  py::ssize_t axis = out.ndim();
  if (b.dimensions() > 1) {
    view.col_stride = out.strides(--axis) / size;
    view.cols = out.shape(axis);
  }
  if (a.dimensions() > 1) {
    view.row_stride = out.strides(--axis) / size;
    view.rows = out.shape(axis);
  }
  return view;
}

template <class T>
void multiply_packed(MatrixView<const T> x, const PackedMatrix<T>& packed, MatrixView<T> z,
                     const std::vector<MatmulOperands<T>>& products, bool single,
                     const MatmulOptions<T>& options) {
  if (single) return matmul<T>(x, packed, z, options);
  for (const MatmulOperands<T>& product : products) {
    x.data = product.a;
    z.data = product.c;
    matmul<T>(x, packed, z, options);
  }
}

template <class T>
py::object multiply(const Arguments& arguments, const py::array& a, const py::array* b,
                    const PackedMatrix<T>* packed) {
  const Operand left(a),
      right = b != nullptr ? Operand(*b) : Operand(packed->rows(), packed->cols());
  const Shape stack = broadcast(left, right), shape = result_shape(left, right, stack);
  py::array bias;
  const MatmulOptions<T> options =
      options_of<T>(arguments, right.dimensions() > 1 ? right.shape.back() : 1, bias);

  const bool wants_new = !arguments.out || arguments.out.is_none();
  py::array requested = wants_new ? py::array() : checked_out(arguments.out, sizeof(T) == 4, shape);
  // The product of views sees to what overlaps; a stack writes one product while others are unread.
  const bool fresh = wants_new || !is_viewable(requested) || may_overlap(requested, bias) ||
                     (!stack.empty() &&
                      (may_overlap(requested, a) || (b != nullptr && may_overlap(requested, *b))));
  py::array out = fresh ? new_array<T>(shape) : requested;

  const MatrixView<const T> x = operand_view<T>(a, true);
  MatrixView<const T> y{};
  if (b != nullptr) y = operand_view<T>(*b, false);
  const MatrixView<T> z = result_view<T>(out, left, right);
  const Shape out_strides(out.strides(), out.strides() + out.ndim());
  py::ssize_t count = 1;
  for (const py::ssize_t size : stack) count *= size;
  std::vector<MatmulOperands<T>> products;
  for (py::ssize_t i = 0; !stack.empty() && i < count; ++i) {
    products.push_back(
        {moved(x.data, stack_offset(left.shape, left.strides, left.leading(), stack, i)),
         moved(y.data, stack_offset(right.shape, right.strides, right.leading(), stack, i)),
         moved(z.data, stack_offset(stack, out_strides, stack.size(), stack, i))});
  }
  {
    const GilRelease release;
    if (packed != nullptr) {
      multiply_packed(x, *packed, z, products, stack.empty(), options);
    } else if (stack.empty()) {
      matmul<T>(x, y, z, options);
    } else {
      matmul<T>(x, y, z, std::span<const MatmulOperands<T>>(products), options);
    }
  }
  if (fresh && !wants_new) {
    requested[py::ellipsis()] = out;
    return requested;
  }
  if (wants_new && out.ndim() == 0) return out[py::tuple()];  // a scalar, as NumPy gives
  return out;
}

py::object multiply_any(const Arguments& arguments) {
  const py::array a = checked_operand(arguments.a, "a");
  const bool is_float = is_float32(a, "a");
  if (py::isinstance<AnyPackedMatrix>(arguments.b)) {
    const auto& packed = py::cast<const AnyPackedMatrix&>(arguments.b);
    if (packed.is_float32() != is_float) {
      throw TypeError(std::string("b is packed float") + (is_float ? "64" : "32") +
                      ", but a has dtype float" + (is_float ? "32" : "64") +
                      ": convert one of them");
    }
    return is_float ? multiply<float>(arguments, a, nullptr, &packed.as<float>())
                    : multiply<double>(arguments, a, nullptr, &packed.as<double>());
  }
  const py::array b = checked_operand(arguments.b, "b");
  check_same_dtype(b, "b", is_float);
  return is_float ? multiply<float>(arguments, a, &b, nullptr)
                  : multiply<double>(arguments, a, &b, nullptr);
}

// ---- two matrices and nothing else, the call that must be quick ----

// From here on other Python threads may run meanwhile.
constexpr Index least_work_without_gil = 64 * 64 * 64;

// The array as a view if it is a matrix that needs no conversion.
template <class T>
bool plain_view(PyObject* object, PyObject* descriptor, MatrixView<T>& view) {
  const auto& api = py::detail::npy_api::get();
  if (!api.PyArray_Check_(object)) return false;
  const auto* array = py::detail::array_proxy(object);
  constexpr auto size = static_cast<Index>(sizeof(T));
  if (array->nd != 2 || array->descr != descriptor ||
      !(array->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) || array->strides[0] % size != 0 ||
      array->strides[1] % size != 0) {
    return false;
  }
  view = {reinterpret_cast<T*>(array->data), array->dimensions[0], array->dimensions[1],
          array->strides[0] / size, array->strides[1] / size};
  return true;
}

// Null without an error set: not such a call.
template <class T>
PyObject* multiply_plainly(PyObject* a, PyObject* b, PyObject* out) {
  PyObject* descriptor = descriptor_of<T>;
  MatrixView<T> x, y, z;
  if (!plain_view(a, descriptor, x) || !plain_view(b, descriptor, y) || x.cols != y.rows) {
    return nullptr;
  }
  py::object result;
  if (out != nullptr) {
    if (!plain_view(out, descriptor, z) || z.rows != x.rows || z.cols != y.cols ||
        !(py::detail::array_proxy(out)->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_)) {
      return nullptr;
    }
    result = py::reinterpret_borrow<py::object>(out);
  } else {
    result = new_matrix(descriptor, x.rows, y.cols, sizeof(T));
    z = {reinterpret_cast<T*>(py::detail::array_proxy(result.ptr())->data), x.rows, y.cols, y.cols,
         1};
  }
  const MatrixView<const T> left{x.data, x.rows, x.cols, x.row_stride, x.col_stride};
  const MatrixView<const T> right{y.data, y.rows, y.cols, y.row_stride, y.col_stride};
  if (x.rows * x.cols * y.cols < least_work_without_gil) {
    matmul<T>(left, right, z);
  } else {
    const GilRelease release;
    matmul<T>(left, right, z);
  }
  return result.release().ptr();
}

constexpr const char* parameter_names[] = {"a", "b", "out", "bias", "activation", "precision"};
constexpr int matmul_positional_only = 2, matmul_most_positional = 3;

PyObject* call_matmul(PyObject*, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    py::handle given[std::size(parameter_names)];
    read_arguments("matmul", parameter_names, matmul_positional_only, matmul_most_positional,
                   values, count, keywords, given);
    const bool plain = !given[3] && !given[4] && !given[5];
    if (plain) {
      PyObject* out = given[2] && !given[2].is_none() ? given[2].ptr() : nullptr;
      PyObject* result = multiply_plainly<float>(given[0].ptr(), given[1].ptr(), out);
      if (result == nullptr) {
        result = multiply_plainly<double>(given[0].ptr(), given[1].ptr(), out);
      }
      if (result != nullptr) return result;
    }
    return multiply_any({given[0], given[1], given[2], given[3], given[4], given[5]})
        .release()
        .ptr();
  });
}

constexpr const char* matmul_documentation =
    R"(matmul(a, b, /, out=None, *, bias=None, activation=None, precision=None)
--

Return ``activation(a @ b + bias)`` as one operation.

Shapes follow :func:`numpy.matmul`: the last two dimensions multiply, the leading ones
broadcast, and a 1-D operand is a row (``a``) or a column (``b``). Strided and transposed
operands are read where they are. The bits do not depend on the number of threads.

Args:
    a: ``(..., m, k)`` or ``(k,)``, float32 or float64.
    b: ``(..., k, n)`` or ``(k,)``, of the same dtype, or a :class:`unitgain.ops.PackedMatrix`.
    out: where the result goes; may overlap the operands.
    bias: ``(n,)``, added to every row.
    activation: the name of an element-wise activation, see :mod:`unitgain.activations`.
    precision: of float32, ``"highest"``, ``"high"`` or ``"medium"``; by default the one in force,
        see :func:`unitgain.set_float32_matmul_precision`. A packed ``b`` has its own.

Returns:
    ``out``, or a new array (a scalar for two 1-D operands).

Raises:
    ValueError: if shapes do not fit, or the activation or the precision is unknown.
    TypeError: if a dtype is neither float32 nor float64, or they differ.

>>> import numpy as np, unitgain as ug
>>> ug.matmul(np.array([[1.0, -2.0]]), np.eye(2), bias=[0.5, 0.5], activation="relu")
array([[1.5, 0. ]])
)";

PyMethodDef matmul_definition = {
    "matmul", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call_matmul)),
    METH_FASTCALL | METH_KEYWORDS, matmul_documentation};

}  // namespace

void bind_matmul(py::module_& module) {
  module.attr("matmul") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&matmul_definition, nullptr, py::str("unitgain").release().ptr()));
}

}  // namespace unitgain::bindings
