// The singular value decomposition of a bidiagonal matrix by divide and conquer.
#pragma once

#include "linalg/columns.hpp"
#include "linalg/secular.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

// A singular value d of one half of a matrix, the element that belongs to it in the row that joins
// the halves, and the row of the vectors, of which `support` says what is not zero.
enum Support : int { above_only, everywhere, below_only, supports };
struct JoinItem {
  double d;
  double z;
  Index row;
  Support support;
};

// B = U diag(values) V^T of the upper bidiagonal n x n matrix with the given diagonal and
// superdiagonal (of n - 1 values). It is all done in double, which costs the singular vectors of a
// float matrix little beside the rest.
struct BidiagonalSvd {
  Index n;
  double* diagonal;
  double* superdiagonal;
  double* values;  // of row k; values[order[0]] is the smallest
  Index* order;
  // Row k of `left` and `right` are the vectors of values[k]. Without vectors left's data is null,
  // and the rows of `right` are only the first and the last element of vectors.
  MatrixView<double> left, right;

  // Of each part that is being joined, from its first row on.
  JoinItem* items;  // those of unknown singular values, ascending; then the others
  Index* unknown;   // their number
  Index* slots;     // of each unknown, its place among them by support
  double *d, *z, *z2, *products;
  double *first, *last;  // without vectors: the elements of the items' right vectors
  simd::SecularRoot* roots;
  MatrixView<double> left_turns, right_turns, rows;
  double* scratch;  // two vectors for each thread of the team
  std::byte* gemm;
  Index own_gemm;  // bytes of it for each thread
};

BidiagonalSvd carve_bidiagonal_svd(Carver& carver, Index n, bool vectors, int threads);

// Scales the matrix, in place. False if no answer was found, of which no finite matrix is known.
// Ends with a barrier.
bool solve(const runtime::Team& team, const BidiagonalSvd& svd);

}  // namespace unitgain::linalg
