// Paths to the pseudoinverse of a finite tall matrix of S in the arithmetic of T: by the triangle
// of a QR decomposition, by divide and conquer, and by one-sided Jacobi. pinv.cpp says which is
// taken when.
#pragma once

#include "linalg/dense_svd.hpp"
#include "linalg/extended_pinv.hpp"
#include "linalg/householder.hpp"
#include "linalg/svd.hpp"
#include "linalg/triangle.hpp"

namespace unitgain::linalg {

// The rows of the pseudoinverse: in the result's own memory if they can be, or else in a workspace
// that is copied.
template <class T, class S>
struct PinvRows {
  Columns<T> own;

  MatrixView<T> in(MatrixView<S> out) const;
  // out = 2^exponent rows, each thread doing what it has of the rows.
  void finish(const runtime::Team& team, int exponent, MatrixView<S> out) const;
};

template <class T, class S>
struct TrianglePinv {
  HouseholderQr<T> qr;
  TriangleInverse<T> triangle;
  PinvRows<T, S> rows;
  int* exponent;
};

// `in_place`: the rows of the results are contiguous.
template <class T, class S>
TrianglePinv<T, S> carve_triangle_pinv(Carver& carver, Index rows, Index cols, bool in_place,
                                       int threads);

// R^-1 Q^T, where is_certain() says that no singular value is cut off; false, and nothing of use
// written, if it does not. Then `needs_svd` says whether more exact arithmetic would not help
// either.
template <class T, class S>
bool invert_by_triangle(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                        double rcond, const TrianglePinv<T, S>& workspace, char& needs_svd);

template <class T, class S>
struct SvdPinv {
  DenseSvd<T> svd;
  Columns<T> left, right;  // singular vectors
  PinvRows<T, S> rows;
  std::byte* gemm;
};

template <class T, class S>
SvdPinv<T, S> carve_svd_pinv(Carver& carver, Index rows, Index cols, bool in_place, int threads);

// False, with nothing of use written, if the singular values were not found, or if T cannot tell
// those at the cutoff from zero.
template <class T, class S>
bool invert_by_svd(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                   double rcond, const SvdPinv<T, S>& workspace);

struct JacobiPinv {
  Decomposition<double> decomposition;
  Columns<double> rows;  // of the pseudoinverse
  ExtendedPinv extended;
};

JacobiPinv carve_jacobi_pinv(Carver& carver, Index rows, Index cols, int threads);

// Always finds it; ill-conditioned small matrices of doubles in `long double`.
template <class S>
void invert_by_jacobi(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                      double rcond, const JacobiPinv& workspace);

}  // namespace unitgain::linalg
