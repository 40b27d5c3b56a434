// For plain C functions of the extension module, what pybind11 gives its own functions: the
// arguments by name, and exceptions as Python's.
#pragma once

#include <cxxabi.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "common.hpp"

namespace unitgain::bindings {

// Sets the Python error that the exception being handled stands for.
void set_python_error() noexcept;

// body()'s result, or null with a Python error set if it throws.
template <class Body>
PyObject* guarded(Body&& body) {
  try {
    return body();
#ifdef __GLIBCXX__
  } catch (const abi::__forced_unwind&) {  // the end of the thread, which must go on
    throw;
#endif
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

// Puts the arguments of a METH_FASTCALL | METH_KEYWORDS function in the order of `names`, those
// that are not given staying null. TypeError, in Python's words, for what does not fit.
void read_arguments(const char* function, std::span<const char* const> names,
                    std::size_t positional_only, std::size_t most_positional,
                    PyObject* const* values, Py_ssize_t count, PyObject* keywords,
                    std::span<py::handle> given);

// Of None, or a null handle, nothing; ValueError unless it names a precision.
std::optional<Precision> precision_or_none(const py::handle& name);
const char* precision_name(Precision precision);

}  // namespace unitgain::bindings
