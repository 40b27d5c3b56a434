// Products of a tall matrix with itself and with what is small, in double, for matrices of float
// too: a block of rows at a time, which is read, and converted, once.
#pragma once

#include "linalg/cholesky.hpp"
#include "linalg/columns.hpp"
#include "linalg/row_blocks.hpp"
#include "linalg/triangle.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

// Whether a matrix is so tall that products of it with itself take less than its QR decomposition,
// even where they are in double in the place of float, and so large that they take more than what
// is done once.
constexpr bool is_for_gram(Index rows, Index cols) {
  return rows >= 4 * cols && rows * cols > 64 * 64;
}

struct GramWorkspace {
  RowBlocks blocks;
  Index right_sides;
  MatrixView<double> gram;  // A^T A, on and above the diagonal
  double* projections;      // (A^T (B - A X))^T, a row of cols values for each right-hand side
  double* squares;          // the sums of squares of the columns of B - A X
  std::byte* runs;
  Index run_bytes;
  std::byte* of_threads;
  Index bytes_per_thread;
  CholeskyWorkspace<double> cholesky;
  Index* failed;

  // R of A = Q R, with zeros below.
  Columns<double> triangle() const {
    return {cholesky.lower.data, blocks.cols, blocks.cols, cholesky.lower.row_stride};
  }
};

template <class S>
GramWorkspace carve_gram(Carver& carver, Index rows, Index cols, Index right_sides, int threads);

// workspace.gram = A^T A. Ends with a barrier.
template <class S>
void multiply_by_itself(const runtime::Team& team, MatrixView<const S> a,
                        const GramWorkspace& workspace);

// workspace.projections and squares, of B - A X for X in columns, or of B if x.data is null; with
// `gram` workspace.gram too, in the same pass. Ends with a barrier.
template <class S>
void project(const runtime::Team& team, MatrixView<const S> a, MatrixView<const S> b,
             const Columns<double>& x, bool gram, const GramWorkspace& workspace);

// workspace.triangle() from workspace.gram; false if there is none, or if A has entries that are
// not finite, or whose squares overflow or are lost. Ends with a barrier.
bool find_triangle(const runtime::Team& team, const GramWorkspace& workspace);

struct GramInverse {
  TriangleInverse<double> triangle;
  MatrixView<double> inverse;  // of A^T A
  std::byte* gemm;
};

GramInverse carve_gram_inverse(Carver& carver, Index cols, int threads);

// Inverts A^T A, of which find_triangle() has found the triangle. Returns an upper bound of the
// condition of A: the root of ||A^T A|| ||(A^T A)^-1||, in the largest row sum. Ends with a
// barrier.
double invert(const runtime::Team& team, const GramWorkspace& workspace, const GramInverse& result);

// Whether a few of A's rows let expect that this bound is larger than `limit`, so that A^T A need
// not be tried. Writes to the workspaces. Ends with a barrier.
template <class S>
bool is_hopeless(const runtime::Team& team, MatrixView<const S> a, double limit,
                 const GramWorkspace& workspace, const GramInverse& inverse);

// out = A right, of a square matrix. Ends with a barrier.
template <class S>
void multiply_rows(const runtime::Team& team, MatrixView<const S> a,
                   const MatrixView<double>& right, MatrixView<S> out,
                   const GramWorkspace& workspace);

}  // namespace unitgain::linalg
