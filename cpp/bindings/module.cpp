// The extension module unitgain._native.
#include "common.hpp"

namespace {

// The message if this is a sub-interpreter, else null. Neither NumPy nor what native code asks for
// the GIL with (PyGILState_Ensure) knows of them: on its way in it would wait for itself.
const char* why_not_here() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return nullptr;
  return "unitgain cannot be imported in a sub-interpreter: import it in the main interpreter, or "
         "in a process of its own";
}

}  // namespace

// Made by PyInit__native below, and named by the import system. It needs no GIL: what threads share
// is constant once this has run, or has a lock of its own (nn/steps.hpp, nn/plan_cache.hpp,
// runtime/), since kernels run without the GIL anyway.
PYBIND11_MODULE(native, module, pybind11::mod_gil_not_used()) {
  namespace py = pybind11;
  // Newer Pythons call PyInit__native in the main interpreter, and this in the one that imports.
  if (const char* reason = why_not_here()) throw py::import_error(reason);
  module.doc() = "unitgain's compiled core. The public API is the package around it.";
  module.attr("__version__") = UNITGAIN_VERSION;

  // pybind11 fixes the signature. NOLINTNEXTLINE(performance-unnecessary-value-param)
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const unitgain::TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const unitgain::LinAlgError& e) {
      const py::object type = py::module_::import("numpy.linalg").attr("LinAlgError");
      PyErr_SetString(type.ptr(), e.what());
    } catch (const unitgain::MemoryError& e) {
      PyErr_SetString(PyExc_MemoryError, e.what());
    } catch (const std::bad_alloc&) {
      PyErr_SetString(PyExc_MemoryError, unitgain::bindings::no_memory);
    }
  });

  unitgain::bindings::descriptor_of<float> = py::dtype::of<float>().release().ptr();
  unitgain::bindings::descriptor_of<double> = py::dtype::of<double>().release().ptr();
  unitgain::bindings::bind_runtime(module);
  unitgain::bindings::bind_matmul(module);
  unitgain::bindings::bind_packed_matrix(module);
  unitgain::bindings::bind_activations(module);
  unitgain::bindings::bind_prelu(module);
  unitgain::bindings::bind_linalg(module);
  unitgain::bindings::bind_cluster(module);
  unitgain::bindings::bind_calibration(module);
  unitgain::bindings::bind_random(module);
  unitgain::bindings::bind_optimizer_types(module);
  unitgain::bindings::bind_losses(module);
  unitgain::bindings::bind_metrics(module);
  unitgain::bindings::bind_steps(module);
  unitgain::bindings::bind_expressions(module);
  unitgain::bindings::bind_nn(module);
  unitgain::bindings::bind_optimizer(module);
  unitgain::bindings::bind_ops_for_tests(module);
}

// Comes before pybind11's own preparations, which wait for the GIL.
extern "C" PYBIND11_EXPORT PyObject* PyInit__native() {
  if (const char* reason = why_not_here()) {
    PyErr_SetString(PyExc_ImportError, reason);
    return nullptr;
  }
  return PyInit_native();
}
