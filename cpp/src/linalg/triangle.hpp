// The inverse of a triangular matrix, and what it says of the condition.
#pragma once

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

template <class T>
struct TriangleInverse {
  MatrixView<T> inverse;  // n x n with unit column stride; zero below the diagonal
  T* scratch;             // n x n / 4, for the products
  double* squares;        // squared lengths: of R's columns, then of the inverse's rows
  std::byte* gemm;
};

template <class T>
TriangleInverse<T> carve_triangle_inverse(Carver& carver, Index n, int threads);

// Inverts the upper triangle R in the leading rows of `columns`. Returns ||R|| ||R^-1|| in the
// Frobenius norm, an upper bound of the condition number; infinity or NaN if R is singular or
// nearly so, and then the inverse is of no use. Ends with a barrier.
template <class T>
double invert(const runtime::Team& team, Columns<T> r, const TriangleInverse<T>& result);

// x = R^-1 x or, transposed, R^-T x of the upper triangle R in the leading rows of r.
template <class T>
void divide_by_triangle(const Columns<T>& r, bool transposed, T* x);

}  // namespace unitgain::linalg
