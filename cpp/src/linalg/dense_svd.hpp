// The singular value decomposition of a large matrix: to a square by QR where that is less work, to
// bidiagonal form by reflectors, to diagonal form by divide and conquer.
//
// Why this way and no other. Of the methods that are stable for every matrix, one-sided Jacobi
// takes some 5 sweeps of 4 n^3 operations, which rotations do at a tenth of the product's speed;
// the polar decompositions (QDWH, Zolotarev) some 50 n^3, all in products; this some 10 n^3, a
// quarter of which is bound by the second or third level cache's reading speed. Measured at n =
// 1000 on 2 threads, in double: the bidiagonal form takes 44 ms and Jacobi, which stands behind as
// the method that cannot fail, more than 500.
#pragma once

#include "linalg/bidiagonal_svd.hpp"
#include "linalg/bidiagonalize.hpp"

namespace unitgain::linalg {

// Below, one-sided Jacobi is done sooner, and of a graded matrix it finds small singular values to
// more digits.
inline constexpr Index least_dense_cols = 24;

// Of a matrix with at least as many rows as columns: A = Q_1 Q B P^T, B = U diag(s) V^T.
template <class T>
struct DenseSvd {
  bool is_tall;            // whether Q_1 was split off first
  HouseholderQr<T> outer;  // Q_1
  Bidiagonalization<T> inner;
  BidiagonalSvd middle;
  T* values;      // from the largest
  int* exponent;  // A times 2^exponent was decomposed
};

// `vectors` is the number of left singular vectors wanted; with none, there are no right ones
// either.
template <class T>
DenseSvd<T> carve_dense_svd(Carver& carver, Index rows, Index cols, Index vectors, int threads);

// Finds the singular values, svd.values of 2^exponent A. False if they
// were not found. Ends with a barrier.
template <class S, class T>
bool decompose(const runtime::Team& team, MatrixView<const S> a, const DenseSvd<T>& svd);

// out(k, :) = the left or right singular vector of value k, and further rows of `out` complete the
// basis; out has unit column stride. Ends with a barrier.
template <class T>
void left_vectors(const runtime::Team& team, const DenseSvd<T>& svd, MatrixView<T> out);
template <class T>
void right_vectors(const runtime::Team& team, const DenseSvd<T>& svd, MatrixView<T> out);

}  // namespace unitgain::linalg
