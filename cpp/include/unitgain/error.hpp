// The exceptions of the C++ API. Arguments are checked before any work is done.
#pragma once

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

}  // namespace unitgain
