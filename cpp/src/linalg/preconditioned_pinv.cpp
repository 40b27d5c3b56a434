#include "linalg/preconditioned_pinv.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/certificate.hpp"
#include "linalg/svd.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// Singular values from this many times the floor on are those of A: it moves them by less than
// their roundings do.
constexpr double least_above_floor = 16;

MatrixView<double> carve_square(Carver& carver, Index n) {
  const Index stride = column_stride<double>(n);
  return {carver.take<double>(n * stride), n, n, stride, 1};
}

void multiply(const runtime::Team& team, const MatrixView<double>& a, const MatrixView<double>& b,
              const PreconditionedPinv& workspace, const MatrixView<double>& c) {
  ops::Gemm<double> product;
  product.a = {a.data, a.rows, a.cols, a.row_stride, a.col_stride};
  product.b = {b.data, b.rows, b.cols, b.row_stride, b.col_stride};
  product.c = c;
  ops::gemm(team, product, workspace.gemm);
  team.barrier();
}

// workspace.product = the transpose of R's pseudoinverse, from its singular values.
bool find_by_svd(const runtime::Team& team, double rcond, const PreconditionedPinv& workspace) {
  const Columns<double>&r = workspace.qr.triangle, &left = workspace.left, &right = workspace.right;
  const DenseSvd<double>& svd = workspace.svd;
  const Index n = r.count;
  if (!decompose<double, double>(team, {r.data, n, n, 1, r.stride}, svd)) return false;
  const Index rank = rank_of(svd.values, n, rcond);
  const double size = std::sqrt(runtime::kernels<double>().vector->dot(svd.values, svd.values, n));
  const double floor = std::numeric_limits<double>::epsilon() * size;
  if (rank == 0 || !(svd.values[rank - 1] >= least_above_floor * floor)) return false;
  left_vectors<double>(team, svd, {left.data, rank, n, left.stride, 1});
  right_vectors<double>(team, svd, {right.data, rank, n, right.stride, 1});
  const PowerOfTwo<double> unscale(*svd.exponent);
  const runtime::Range mine = team.share(rank);
  for (Index k = mine.begin; k < mine.end; ++k) {
    runtime::kernels<double>().vector->scale(unscale(1 / svd.values[k]), right[k], n);
  }
  team.barrier();
  multiply(team, {left.data, n, rank, 1, left.stride}, {right.data, rank, n, right.stride, 1},
           workspace, workspace.product);
  return true;
}

// workspace.factor, by which A P^-1 is multiplied; false if there is none.
bool find_factor(const runtime::Team& team, double rcond, const PreconditionedPinv& workspace) {
  const PreconditionedQr& qr = workspace.qr;
  const double condition = invert(team, qr.triangle, workspace.inverse);
  MatrixView<double> right = ops::transposed(workspace.inverse.inverse);
  if (!is_certain<double>(condition, rcond, qr.triangle.count)) {
    if (!find_by_svd(team, rcond, workspace)) return false;
    right = workspace.product;
  }
  // X^T = Q R^-T, where Q = (A P^-1) S^-1.
  multiply(team, qr.second_inverse.inverse, right, workspace, workspace.factor);
  return true;
}

}  // namespace

template <class S>
PreconditionedPinv carve_preconditioned_pinv(Carver& carver, Index rows, Index cols, int threads) {
  PreconditionedPinv workspace{carve_preconditioned_qr<S>(carver, rows, cols, 0, true, threads),
                               carve_triangle_inverse<double>(carver, cols, threads),
                               carve_dense_svd<double>(carver, cols, cols, cols, threads),
                               carver.take_columns<double>(cols, cols),
                               carver.take_columns<double>(cols, cols),
                               carve_square(carver, cols),
                               carve_square(carver, cols),
                               nullptr,
                               carver.take<bool>(1)};
  workspace.gemm =
      carver.take<std::byte>(ops::gemm_workspace_up_to<double>(cols, cols, cols, threads));
  return workspace;
}

template <class S>
bool invert_by_preconditioning(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                               double rcond, const PreconditionedPinv& workspace) {
  if (!factor<S>(team, a, {}, workspace.qr)) return false;
  for_triangle(team, a.cols, [&](const runtime::Team& few) {
    const bool found = find_factor(few, rcond, workspace);
    if (few.rank() == 0) *workspace.found = found;
  });
  if (!*workspace.found) return false;
  multiply_kept(team, workspace.factor, ops::transposed(out), workspace.qr);
  return true;
}

#define UNITGAIN_INSTANTIATE(S)                                                         \
  template PreconditionedPinv carve_preconditioned_pinv<S>(Carver&, Index, Index, int); \
  template bool invert_by_preconditioning<S>(const runtime::Team&, MatrixView<const S>, \
                                             MatrixView<S>, double, const PreconditionedPinv&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
