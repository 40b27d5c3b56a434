// The pseudoinverse of a small ill-conditioned matrix in `long double`.
//
// In double every stable method leaves A X off a projection by the condition number times double's
// epsilon, and by chance more or less of it than another one: on Pascal's, Hilbert's and
// Vandermonde's matrices up to twelve times as much as LAPACK's QR iteration. With some eleven more
// bits what is left is X's own rounding. Scalar arithmetic is slow, but only on matrices of which
// few are met in large numbers.
#pragma once

#include <limits>
#include <type_traits>

#include "linalg/dense_svd.hpp"
#include "linalg/svd.hpp"
#include "unitgain/types.hpp"

namespace unitgain::linalg {

// The ratio of singular values from which a small matrix of doubles is worth it.
inline constexpr double least_extended_ratio = 0x1p12;

// The condition number in the Frobenius norm up to which a small matrix is left to R^-1 Q^T. In
// float what comes next is double, which costs little; in double it is this, some fifty times as
// slow: of Gaussian matrices of 16 rows one in five hundred exceeds it.
template <class T>
inline constexpr double largest_small_condition = std::is_same_v<T, float> ? 0x1p12 : 0x1p15;

constexpr bool is_for_extended(Index rows, Index cols) {
  return cols < least_dense_cols && rows <= 64 &&
         std::numeric_limits<long double>::digits > std::numeric_limits<double>::digits;
}

// Whether a small matrix of S is to be inverted more exactly than by R^-1 Q^T in T.
template <class S, class T>
constexpr bool needs_more(double condition, Index rows, Index cols) {
  return std::is_same_v<S, T> && is_for_extended(rows, cols) &&
         condition > largest_small_condition<T>;
}

struct ExtendedPinv {
  Columns<long double> x;  // A, and then A V with orthogonal columns
  Columns<long double> v;
  long double* squares;  // of the lengths of x's columns
};

ExtendedPinv carve_extended_pinv(Carver& carver, Index rows, Index cols);

// out = the pseudoinverse of a tall matrix whose decomposition in double was found: by one-sided
// Jacobi from its right vectors on, on the calling thread.
void invert_in_extended(MatrixView<const double> a, const Decomposition<double>& found,
                        double rcond, MatrixView<double> out, const ExtendedPinv& parts);

}  // namespace unitgain::linalg
