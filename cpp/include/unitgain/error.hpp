// The exceptions of the C++ API. Arguments are checked before any work is done.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>

namespace unitgain {

// An argument has a wrong value or shape: std::invalid_argument, which Python sees as ValueError.
using ValueError = std::invalid_argument;

// An argument has a wrong type. Python sees TypeError.
struct TypeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// A linear-algebra problem has no answer. Python sees numpy.linalg.LinAlgError.
struct LinAlgError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Memory that cannot be had: std::bad_alloc with a text that says how many bytes, and for what.
// Python sees MemoryError.
class MemoryError : public std::bad_alloc {
 public:
  MemoryError(std::size_t bytes, const char* purpose) noexcept;
  const char* what() const noexcept override { return text_; }

 private:
  char text_[256];  // no memory may be needed to say that there is none
};

}  // namespace unitgain
