// When a pseudoinverse may be taken from a QR decomposition, or from A^T A, instead of the singular
// values.
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

// The condition number up to which (A^T A)^-1 A^T of a matrix of T, computed in double, is as good
// as the pseudoinverse by a QR decomposition: X A - I is off by double's epsilon times the square
// of the condition number k, where that leaves T's epsilon times k. In double, with given spectra,
// the four Moore-Penrose conditions are met no worse than by NumPy's up to k = 5, and at k = 16 up
// to nine times worse. (The bound that is compared with this is some three times k there.)
template <class T>
inline constexpr double largest_gram_condition = std::is_same_v<T, float> ? 0x1p14 : 12;

// When bound^2 = ||A^T A|| ||(A^T A)^-1|| in any norm, the bound is at least the condition number
// of A, and as is_certain() says, no singular value is cut off.
template <class T>
bool is_certain_by_gram(double bound, double rcond) {
  return bound < largest_gram_condition<T> && 1.125 * rcond * bound < 1;
}

}  // namespace unitgain::linalg
