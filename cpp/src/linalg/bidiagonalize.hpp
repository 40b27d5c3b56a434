// A = Q B P^T with an upper bidiagonal B, by Householder reflectors.
#pragma once

#include "linalg/householder.hpp"

namespace unitgain::linalg {

// Of a matrix with at least as many rows as columns, in left.tails. Half of the work is two
// products of the matrix and a vector for each column, as fast as memory is read; the other half is
// matrix products. (The two-stage way, by a band matrix, needs no such products, and for the
// vectors as many operations again: it would gain only where the matrix does not fit the caches.)
template <class T>
struct Bidiagonalization {
  Reflectors<T> left;   // Q; left.tails was A
  Reflectors<T> right;  // P; the offset is 1
  T* diagonal;
  T* superdiagonal;
  BlockWorkspace<T> block;
  // The block of columns at hand: A - V Y^T - X U^T is what the rest of the matrix will become.
  Columns<T> v_and_x, y_and_u;
  T* row_sums;          // of each chunk of rows
  T* column_sums;       // of each chunk of columns
  Columns<T> products;  // of each chunk of columns, with its part of the row at hand
  std::byte* gemm;
};

// For products of either factor with up to `vectors` vectors.
template <class T>
Bidiagonalization<T> carve_bidiagonalization(Carver& carver, Index rows, Index cols, Index vectors,
                                             int threads);

// Decomposes the matrix in parts.left.tails, which is scaled as HouseholderQr's. Ends with a
// barrier.
template <class T>
void bidiagonalize(const runtime::Team& team, const Bidiagonalization<T>& parts);

// The same by one thread and without blocks, for a small matrix.
template <class T>
void bidiagonalize_small(const Bidiagonalization<T>& parts);

}  // namespace unitgain::linalg
