// The extension module unitgain._native.
#include "common.hpp"

PYBIND11_MODULE(_native, module) {
  namespace py = pybind11;
  module.doc() = "unitgain's compiled core. The public API is the package around it.";
  module.attr("__version__") = UNITGAIN_VERSION;

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
  unitgain::bindings::bind_random(module);
  unitgain::bindings::bind_optimizer_types(module);
  unitgain::bindings::bind_losses(module);
  unitgain::bindings::bind_metrics(module);
  unitgain::bindings::bind_nn(module);
  unitgain::bindings::bind_optimizer(module);
  unitgain::bindings::bind_kernels(module);
}
