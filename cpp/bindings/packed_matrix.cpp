#include "packed_matrix.hpp"

#include "arguments.hpp"
#include "common.hpp"

namespace unitgain::bindings {

namespace {

AnyPackedMatrix pack(const py::object& weights, const py::object& precision) {
  const py::array array = viewable(as_array(weights));
  const std::optional<Precision> chosen = precision_or_none(precision);
  return dispatch_float(array, "weights", [&](auto zero) {
    using T = decltype(zero);
    if (array.ndim() != 2) {
      throw ValueError("weights has shape " + shape_text(array) + ", expected two dimensions");
    }
    const MatrixView<const T> view = matrix_view<T>(array);
    const GilRelease release;
    return AnyPackedMatrix(PackedMatrix<T>(view, chosen));
  });
}

py::array unpack(const AnyPackedMatrix& packed) {
  return packed.visit([]<class T>(const PackedMatrix<T>& matrix) -> py::array {
    py::array_t<T> array = new_array<T>({matrix.rows(), matrix.cols()});
    MatrixView<T> view = mutable_matrix_view<T>(array);
    const GilRelease release;
    matrix.unpack(view);
    return array;
  });
}

py::tuple shape(const AnyPackedMatrix& packed) {
  return packed.visit(
      [](const auto& matrix) { return py::make_tuple(matrix.rows(), matrix.cols()); });
}

const char* precision(const AnyPackedMatrix& packed) {
  return packed.visit([](const auto& matrix) { return precision_name(matrix.precision()); });
}

py::dtype dtype(const AnyPackedMatrix& packed) {
  return packed.is_float32() ? py::dtype::of<float>() : py::dtype::of<double>();
}

std::string text(const AnyPackedMatrix& packed) {
  std::string words = "PackedMatrix(shape=";
  words += py::cast<std::string>(py::str(shape(packed)));
  words += packed.is_float32() ? ", dtype=float32" : ", dtype=float64";
  words += ", precision=";
  words += precision(packed);
  words += ')';
  return words;
}

constexpr const char* packed_matrix_documentation =
    R"(A right operand, packed once and multiplied often.

A copy of ``weights`` in the order in which the products read them: ``x @ packed`` and
``ug.matmul(x, packed, ...)`` need not pack it again. With precision ``"medium"`` it is kept in
bfloat16 where the machine multiplies it: half the memory, and half the time where reading it is
what takes it. Any number of threads may multiply one packed matrix; it can be pickled and copied.

Args:
    weights: ``(k, n)``, float32 or float64.
    precision: of float32, see :func:`unitgain.set_float32_matmul_precision`; by default the one in
        force. Of float64 it is ``"highest"``.

Raises:
    ValueError: if ``weights`` has not two dimensions, or there is no such precision.
    TypeError: if its dtype is neither float32 nor float64.

>>> import numpy as np, unitgain as ug
>>> packed = ug.ops.PackedMatrix(np.array([[1.0, 2.0], [3.0, 4.0]]))
>>> np.array([[1.0, 1.0]]) @ packed
array([[4., 6.]])
)";

}  // namespace

void bind_packed_matrix(py::module_& module) {
  py::class_<AnyPackedMatrix> type(module, "PackedMatrix", packed_matrix_documentation);
  type.def(py::init(&pack), py::arg("weights"), py::arg("precision") = py::none())
      .def_property_readonly("shape", &shape, "``(k, n)``")
      .def_property_readonly("ndim", [](const AnyPackedMatrix&) { return 2; })
      .def_property_readonly("dtype", &dtype, "float32 or float64: that of the products.")
      .def_property_readonly("precision", &precision)
      .def_property_readonly(
          "nbytes",
          [](const AnyPackedMatrix& packed) {
            return packed.visit([](const auto& matrix) { return matrix.bytes(); });
          },
          "Bytes of memory.")
      .def("unpack", &unpack,
           "The matrix that the products use: the weights, or what is kept of them.")
      .def("__rmatmul__",
           [module](const py::object& packed, const py::object& x) {
             return module.attr("matmul")(x, packed);
           })
      .def("__repr__", &text)
      .def(py::pickle(
          [](const AnyPackedMatrix& packed) {
            return py::make_tuple(unpack(packed), precision(packed));
          },
          [](const py::tuple& state) { return pack(state[0], state[1]); }));
  // NumPy's arrays leave `x @ packed` to __rmatmul__.
  type.attr("__array_ufunc__") = py::none();
  type.attr("__module__") = "unitgain.ops";
}

}  // namespace unitgain::bindings
