#include "caller.hpp"

#include "arguments.hpp"
#include "common.hpp"
#include "unitgain/network.hpp"

namespace unitgain::bindings {

namespace {

// The samples of a matrix of T that needs no conversion; false if `object` is none.
template <class T>
bool plain_samples(PyObject* object, Index features, SampleArray& samples) {
  const auto& api = py::detail::npy_api::get();
  if (!api.PyArray_Check_(object)) return false;
  const auto* array = py::detail::array_proxy(object);
  if (array->nd != 2 || array->descr != descriptor_of<T> || array->dimensions[0] == 0 ||
      array->dimensions[1] != features ||
      !(array->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) {
    return false;
  }
  constexpr ElementType type =
      sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;
  samples = {array->data,      type, array->dimensions[0], features, array->strides[0],
             array->strides[1]};
  return true;
}

template <class T>
PyObject* call(PyObject* capsule, PyObject* x) {
  return guarded([&]() -> PyObject* {
    const auto& network = *static_cast<const Network<T>*>(PyCapsule_GetPointer(capsule, nullptr));
    SampleArray samples;
    if (!plain_samples<T>(x, network.input_shape().size(), samples)) Py_RETURN_NONE;
    py::object result = new_matrix(descriptor_of<T>, samples.rows, network.output_shape().size(),
                                   static_cast<Index>(sizeof(T)));
    T* y = reinterpret_cast<T*>(py::detail::array_proxy(result.ptr())->data);
    if (!network.predict_at_once(samples, y)) {
      const GilRelease release;
      network.predict(samples, y, samples.rows);
    }
    return result.release().ptr();
  });
}

template <class T>
PyMethodDef definition = {"call", &call<T>, METH_O,
                          "Return the outputs for a matrix of samples, or None for anything else."};

}  // namespace

template <class T>
py::object caller(const py::object& network) {
  const auto& native = py::cast<const Network<T>&>(network);
  if (native.inputs().size() != 1 || native.outputs().size() != 1) return py::none();
  const auto release = [](PyObject* capsule) {
    Py_XDECREF(static_cast<PyObject*>(PyCapsule_GetContext(capsule)));
  };
  PyObject* capsule = PyCapsule_New(const_cast<Network<T>*>(&native), nullptr, release);
  if (capsule == nullptr) throw py::error_already_set();
  PyCapsule_SetContext(capsule, network.inc_ref().ptr());
  const auto held = py::reinterpret_steal<py::object>(capsule);
  PyObject* function = PyCFunction_NewEx(&definition<T>, held.ptr(), nullptr);
  if (function == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(function);
}

template py::object caller<float>(const py::object&);
template py::object caller<double>(const py::object&);

}  // namespace unitgain::bindings
