#include "gil.hpp"

#include <chrono>
#include <thread>

namespace unitgain::bindings {

void sleep_for_ever() {
  while (true) std::this_thread::sleep_for(std::chrono::hours(24));
}

void GilRelease::restore(PyThreadState* state) {
  SleepIfUnwound guard;
  PyEval_RestoreThread(state);
  guard.done();
}

PyGILState_STATE GilAcquire::ensure() {
  SleepIfUnwound guard;
  const PyGILState_STATE state = PyGILState_Ensure();
  guard.done();
  return state;
}

Callable::Callable(py::object function)
    : function_(new py::object(std::move(function)), [](py::object* held) {
        const GilAcquire acquire;
        delete held;
      }) {}

py::object called(const py::object& function, const py::tuple& arguments) {
  SleepIfUnwound guard;
  PyObject* result = PyObject_CallObject(function.ptr(), arguments.ptr());
  guard.done();
  if (result == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

}  // namespace unitgain::bindings
