// When a pseudoinverse may be taken from a QR decomposition instead of the singular values.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "unitgain/types.hpp"

namespace unitgain::linalg {

// The condition number up to which a pseudoinverse is computed by way of R^-1, or at all, in T: its
// relative error is the condition number times T's epsilon, whatever the method, but its products
// with A are closer to projections by the singular values. Float ends where double costs little and
// an answer of two digits is in sight; double ends where the difference begins to count, and well
// before the computed norm of R^-1 stops being that of the true one.
template <class T>
double largest_condition(Index cols) {
  if constexpr (std::is_same_v<T, float>) {
    // In the Frobenius norm a matrix of random entries has some sqrt(n) / 2 times its condition.
    return 0x1p16 * std::max(1.0, std::sqrt(static_cast<double>(cols)) / 2);
  } else {
    return 0x1p-18 / (std::numeric_limits<T>::epsilon() * static_cast<double>(cols));
  }
}

// When A = Q R, condition = ||R|| ||R^-1|| in the Frobenius norm and rcond times it is below 1,
// then rcond s_max < s_min: no singular value is cut off. The factor leaves room for the rounding
// of both norms.
template <class T>
bool is_certain(double condition, double rcond, Index cols) {
  return condition < largest_condition<T>(cols) && 1.125 * rcond * condition < 1;
}

}  // namespace unitgain::linalg
