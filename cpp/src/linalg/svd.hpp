// The decomposition that svd() and pinv() share. Everything here works on a tall matrix: a wide one
// is taken transposed.
#pragma once

#include <string>

#include "linalg/jacobi_svd.hpp"
#include "linalg/qr.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

template <class T>
MatrixView<T> transposed(MatrixView<T> a) {
  return {a.data, a.cols, a.rows, a.col_stride, a.row_stride};
}

// Multiplication by 2^exponent in two factors, each of which the type holds. It rounds only what
// becomes denormal.
template <class T>
struct PowerOfTwo {
  T first;
  T second;

  explicit PowerOfTwo(int exponent);
  T operator()(T x) const { return x * first * second; }
};

// A = Q J diag(s) W^T, scaled by a power of two: Q from the QR decomposition, J the product of the
// Jacobi rotations, W with orthonormal columns.
template <class T>
struct Decomposition {
  PivotedQr<T> qr;
  Columns<T> right;  // W, in no order; columns of null singular values are zero
  Columns<T> left;   // J, in the same order; data is null if it was not wanted
  T* values;         // scaled singular values, from the largest
  Index* order;      // values[k] belongs to the columns order[k]
  Index* rank;       // singular values above zero
  int* exponent;     // A times 2^exponent was decomposed
  double* squares;   // scratch, two values for each column
  SweepRecord* records;
};

template <class T>
Decomposition<T> carve_decomposition(Carver& carver, Index rows, Index cols, bool vectors,
                                     int threads);

// Scales a finite tall matrix, whose entries may be of another type than the arithmetic, and finds
// Q and R: result.qr and result.exponent. Ends with a barrier.
template <class S, class T>
void reduce(const runtime::Team& team, MatrixView<const S> a, const Decomposition<T>& result);

// The rest of the decomposition, from Q and R. Ends with a barrier.
template <class T>
void diagonalize(const runtime::Team& team, const Decomposition<T>& result);

// The exponent of the power of two to multiply a matrix by, whose largest magnitude is given: 0
// unless squares of its entries could overflow, or be lost to underflow.
template <class T>
int scaling_exponent(double largest);

// columns = 2^exponent a, for the columns in `range`.
template <class S, class T>
void load_columns(MatrixView<const S> a, int exponent, runtime::Range range, Columns<T> columns);

// The largest magnitude in a, or NaN if an entry is not finite.
template <class T>
T largest_entry(MatrixView<const T> a);

// out(k, i) = factor * columns[j][i], with j = order[k] or, without an order, k; for k in `range`.
template <class T, class S>
void store_columns(Columns<T> columns, const Index* order, PowerOfTwo<T> factor,
                   runtime::Range range, MatrixView<S> out);

// How many of n descending values are above rcond times the largest.
template <class T>
Index rank_of(const T* values, Index n, double rcond) {
  const double cutoff = rcond * static_cast<double>(values[0]);
  Index rank = 0;
  while (rank < n && values[rank] > 0 && values[rank] > cutoff) ++rank;
  return rank;
}

// Throws ValueError unless a has the shape of the first matrix of its stack.
template <class T>
void require_shape(MatrixView<const T> a, MatrixView<const T> first);

// Throws the LinAlgError for an entry that is not finite, if there is one.
template <class T>
void require_finite(MatrixView<const T> a, const char* name = "a");

}  // namespace unitgain::linalg
