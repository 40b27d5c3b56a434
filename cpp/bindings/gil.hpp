// The GIL, given up and taken, by threads that the end of the interpreter must not abort.
//
// A thread that wants the GIL while the interpreter ends gets it no more. CPython before 3.14 ends
// such a thread with pthread_exit(), which unwinds its stack: destructors then drop references
// without the GIL, and the first noexcept frame calls std::terminate(), for which the destructor
// that takes the GIL back is enough. Since 3.14 the thread sleeps for ever, and here it always
// does: native code waits for the GIL, and calls Python back, by this file alone.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <utility>

namespace unitgain::bindings {

namespace py = pybind11;

// Ends the thread's part in the process, but not the thread.
[[noreturn]] void sleep_for_ever();

// Puts the thread to sleep if its stack is unwound through the scope before done() is called.
class SleepIfUnwound {
 public:
  SleepIfUnwound() = default;
  SleepIfUnwound(const SleepIfUnwound&) = delete;
  SleepIfUnwound& operator=(const SleepIfUnwound&) = delete;
  ~SleepIfUnwound() {
    if (!done_) sleep_for_ever();
  }
  void done() { done_ = true; }

 private:
  bool done_ = false;
};

// Gives the GIL up in a scope.
class GilRelease {
 public:
  GilRelease() : state_(PyEval_SaveThread()) {}
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;
  ~GilRelease() { restore(state_); }

 private:
  static void restore(PyThreadState* state);
  PyThreadState* state_;
};

// Takes the GIL in a scope, whether or not the thread has it.
class GilAcquire {
 public:
  GilAcquire() : state_(ensure()) {}
  GilAcquire(const GilAcquire&) = delete;
  GilAcquire& operator=(const GilAcquire&) = delete;
  ~GilAcquire() {
    if (!PyGILState_Check()) sleep_for_ever();  // unwound by something that let the GIL go
    PyGILState_Release(state_);
  }

 private:
  static PyGILState_STATE ensure();
  PyGILState_STATE state_;
};

// function(arguments...), of Python code or of what lets the GIL go, as NumPy does while it copies.
py::object called(const py::object& function, const py::tuple& arguments);

// A Python callable that any thread may drop, and call while it has the GIL: native code that calls
// back holds more than references, such as locks and a team.
class Callable {
 public:
  explicit Callable(py::object function);
  template <class... Arguments>
  py::object operator()(Arguments&&... arguments) const {
    return called(*function_, py::make_tuple(std::forward<Arguments>(arguments)...));
  }
  bool is_none() const { return function_->is_none(); }

 private:
  std::shared_ptr<py::object> function_;
};

}  // namespace unitgain::bindings
