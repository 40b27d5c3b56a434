// QR of a tall matrix by a preconditioned A^T A, for what the plain one is not good enough for.
#pragma once

#include "linalg/cholesky.hpp"
#include "linalg/householder.hpp"
#include "linalg/row_blocks.hpp"
#include "linalg/triangle.hpp"

namespace unitgain::linalg {

// A = (A P^-1) P, and A P^-1 = Q S by Cholesky's decomposition of its product with itself: R = S P.
struct PreconditionedQr {
  RowBlocks blocks;
  Index right_sides;
  HouseholderQr<double> sketch;  // whose triangle P is
  MatrixView<double> sums;       // the sketch, row by row
  Columns<double> first;         // P, with zeros below
  CholeskyWorkspace<double> cholesky;
  TriangleInverse<double> second_inverse;  // of S
  Columns<double> triangle;                // R, with zeros below
  double* projections;                     // Q^T B, one right-hand side after the other
  double* kept;                            // A P^-1, block by block; null: not kept
  std::byte* runs;
  Index run_bytes;
  std::byte* of_threads;
  Index bytes_per_thread;
  std::byte* gemm;
  double* size;  // the norm of the sketch
  Index* failed;

  // S, of which the part below the diagonal is zero.
  Columns<double> second() const {
    return {cholesky.lower.data, blocks.cols, blocks.cols, cholesky.lower.row_stride};
  }
  // The multiple of the identity that is added to A as its last rows: with it no R is singular.
  double floor() const;
};

// For matrices with is_for_gram(), with Q if `keep`.
template <class S>
PreconditionedQr carve_preconditioned_qr(Carver& carver, Index rows, Index cols, Index right_sides,
                                         bool keep, int threads);

// qr.triangle and qr.projections; false, and nothing of use written, if A has entries that are not
// finite, or whose squares overflow or are lost, or if the preconditioner is not good enough. Ends
// with a barrier unless false.
template <class S>
bool factor(const runtime::Team& team, MatrixView<const S> a, MatrixView<const S> b,
            const PreconditionedQr& qr);

// Calls body(team) for work on triangles alone, or body(Team()) on the first thread where that is
// soon done: at many barriers in a row, threads that wait for a CPU would lose more. Ends with a
// barrier.
template <class Body>
void for_triangle(const runtime::Team& team, Index cols, Body&& body) {
  constexpr Index most_alone = 128;
  if (cols > most_alone) {
    body(team);
  } else if (team.rank() == 0) {
    body(runtime::Team());
  }
  team.barrier();
}

// out = A P^-1 right, of a square matrix. Ends with a barrier.
template <class S>
void multiply_kept(const runtime::Team& team, const MatrixView<double>& right, MatrixView<S> out,
                   const PreconditionedQr& qr);

}  // namespace unitgain::linalg
