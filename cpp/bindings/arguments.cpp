#include "arguments.hpp"

#include <cstring>

namespace unitgain::bindings {

namespace {

constexpr const char* precision_names[precision_count] = {"highest", "high", "medium"};

[[noreturn]] void refuse(const std::string& message) {
  throw TypeError(message);
}

std::size_t place_of(const char* function, std::span<const char* const> names,
                     std::size_t positional_only, const char* name) {
  for (std::size_t i = positional_only; i < names.size(); ++i) {
    if (std::strcmp(names[i], name) == 0) return i;
  }
  refuse(std::string(function) + "() got an unexpected keyword argument '" + name + "'");
}

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const TypeError& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  } catch (const ValueError& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const MemoryError& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, no_memory);
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown error");
  }
}

void read_arguments(const char* function, std::span<const char* const> names,
                    std::size_t positional_only, std::size_t most_positional,
                    PyObject* const* values, Py_ssize_t count, PyObject* keywords,
                    std::span<py::handle> given) {
  const auto positional = static_cast<std::size_t>(count);
  if (positional > most_positional) {
    refuse(std::string(function) + "() takes at most " + std::to_string(most_positional) +
           " positional arguments, but " + std::to_string(positional) + " were given");
  }
  for (std::size_t i = 0; i < positional; ++i) given[i] = values[i];
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(keywords, i));
    if (name == nullptr) throw py::error_already_set();
    const std::size_t place = place_of(function, names, positional_only, name);
    if (given[place]) {
      refuse(std::string(function) + "() got multiple values for argument '" + name + "'");
    }
    given[place] = values[count + i];
  }
  for (std::size_t i = 0; i < positional_only; ++i) {
    if (!given[i]) {
      refuse(std::string(function) + "() misses the positional argument '" + names[i] + "'");
    }
  }
}

std::optional<Precision> precision_or_none(const py::handle& name) {
  if (!name || name.is_none()) return std::nullopt;
  const auto text = py::cast<std::string>(py::str(name));
  for (int i = 0; i < precision_count; ++i) {
    if (text == precision_names[i]) return static_cast<Precision>(i);
  }
  throw ValueError("precision is '" + text + "', expected highest, high or medium");
}

const char* precision_name(Precision precision) {
  return precision_names[static_cast<int>(precision)];
}

}  // namespace unitgain::bindings
