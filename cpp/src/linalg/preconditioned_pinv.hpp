// The pseudoinverse of a tall matrix by its preconditioned QR decomposition.
#pragma once

#include "linalg/dense_svd.hpp"
#include "linalg/preconditioned_qr.hpp"

namespace unitgain::linalg {

struct PreconditionedPinv {
  PreconditionedQr qr;
  TriangleInverse<double> inverse;  // of R
  DenseSvd<double> svd;             // of R
  Columns<double> left, right;      // singular vectors
  MatrixView<double> product, factor;
  std::byte* gemm;
  bool* found;
};

template <class S>
PreconditionedPinv carve_preconditioned_pinv(Carver& carver, Index rows, Index cols, int threads);

// In double: R^-1 Q^T where that is certain, or else by the singular values of R. False, and
// nothing of use written, if the decomposition is not to be had, or if singular values above the
// cut are no larger than its roundings. Ends with a barrier unless false.
template <class S>
bool invert_by_preconditioning(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                               double rcond, const PreconditionedPinv& workspace);

}  // namespace unitgain::linalg
