// Cholesky by blocks of columns, for a team.
#pragma once

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

template <class T>
struct CholeskyWorkspace {
  MatrixView<T> lower;  // with unit column stride
  std::byte* gemm;
};

template <class T>
CholeskyWorkspace<T> carve_cholesky(Carver& carver, Index n, int threads);

// L L^T = A, in place of A in workspace.lower, whose upper triangle must be finite. *failed is the
// order of the first leading minor that is not positive, 0 if all are, and what is in
// workspace.lower is of use only then. Ends with a barrier.
template <class T>
void factor(const runtime::Team& team, const CholeskyWorkspace<T>& workspace, Index* failed);

}  // namespace unitgain::linalg
