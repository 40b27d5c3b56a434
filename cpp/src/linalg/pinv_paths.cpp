#include "linalg/pinv_paths.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/certificate.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

// ---- where the result is made ----

template <class T, class S>
MatrixView<T> PinvRows<T, S>::in(MatrixView<S> out) const {
  if constexpr (std::is_same_v<S, T>) {
    if (own.data == nullptr) return out;
  }
  return {own.data, out.rows, out.cols, own.stride, 1};
}

template <class T, class S>
void PinvRows<T, S>::finish(const runtime::Team& team, int exponent, MatrixView<S> out) const {
  const PowerOfTwo<T> factor(exponent);
  const runtime::Range mine = team.share(out.rows);
  if (own.data != nullptr) {
    store_columns(own, nullptr, factor, mine, out);
  } else if (exponent != 0) {
    const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
    const MatrixView<T> rows = in(out);
    for (Index i = mine.begin; i < mine.end; ++i) {
      vector.scale(factor.first, rows.data + i * rows.row_stride, rows.cols);
      vector.scale(factor.second, rows.data + i * rows.row_stride, rows.cols);
    }
  }
}

namespace {

template <class T, class S>
PinvRows<T, S> carve_rows(Carver& carver, Index rows, Index cols, bool in_place) {
  if (in_place && std::is_same_v<S, T>) return {{nullptr, rows, cols, 0}};
  return {carver.take_columns<T>(rows, cols)};
}

// At most ||R|| ||R^-1|| in the Frobenius norm: R's diagonal alone, and its inverse's.
template <class T>
double least_condition(const Columns<T>& r) {
  double square = 0, inverse_square = 0;
  for (Index j = 0; j < r.count; ++j) {
    const double diagonal = r[j][j];
    square += diagonal * diagonal;
    inverse_square += 1 / (diagonal * diagonal);
  }
  return std::sqrt(square) * std::sqrt(inverse_square);
}

// Whether the arithmetic of T tells a singular value at the cutoff from one that is zero. Float's
// singular values are off by some sqrt(n) roundings of the largest.
template <class T>
bool tells_cutoff(double rcond, Index cols) {
  constexpr double roundings = 8;
  return !std::is_same_v<T, float> || rcond >= roundings * std::numeric_limits<float>::epsilon() *
                                                   std::sqrt(static_cast<double>(cols));
}

// Column i of `out` becomes the sum over k < rank of J_k W_k[i] / s_k, which is the product
// J diag(1 / s) W^T; rows below J's become zero. Each thread does its share of the columns.
void multiply_factors(const runtime::Team& team, const Decomposition<double>& parts, Index rank,
                      Columns<double> out) {
  // J's columns of one pass stay in the first-level cache while the columns of `out` pass by.
  constexpr Index columns_per_pass = 8;
  const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
  const runtime::Range mine = team.share(out.count);
  for (Index i = mine.begin; i < mine.end; ++i) std::fill_n(out[i], out.rows, 0.0);
  for (Index k0 = 0; k0 < rank; k0 += columns_per_pass) {
    const Index k1 = std::min(k0 + columns_per_pass, rank);
    for (Index i = mine.begin; i < mine.end; ++i) {
      for (Index k = k0; k < k1; k += 4) {
        const double* columns[4];
        double weights[4];
        for (Index l = 0; l < 4; ++l) {
          const Index j = parts.order[std::min(k + l, k1 - 1)];
          columns[l] = parts.left[j];
          weights[l] = k + l < k1 ? parts.right[j][i] / parts.values[k + l] : 0;
        }
        vector.axpy4(weights, columns, out[i], parts.left.rows);
      }
    }
  }
}

}  // namespace

// ---- by the triangle of a QR decomposition ----

template <class T, class S>
TrianglePinv<T, S> carve_triangle_pinv(Carver& carver, Index rows, Index cols, bool in_place,
                                       int threads) {
  TrianglePinv<T, S> workspace;
  workspace.qr = carve_householder<T>(carver, rows, cols, cols, threads);
  workspace.triangle = carve_triangle_inverse<T>(carver, cols, threads);
  workspace.rows = carve_rows<T, S>(carver, rows, cols, in_place);
  workspace.exponent = carver.take<int>(1);
  return workspace;
}

template <class T, class S>
bool invert_by_triangle(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                        double rcond, const TrianglePinv<T, S>& workspace, char& needs_svd) {
  const Columns<T>& columns = workspace.qr.q.tails;
  if (team.rank() == 0) *workspace.exponent = scaling_exponent<T>(largest_entry(a));
  team.barrier();
  const runtime::Range mine = team.share(a.cols);
  load_columns(a, *workspace.exponent, mine, columns);
  team.barrier();
  factor(team, workspace.qr);
  const double least = least_condition(columns);
  if (!is_certain<T>(least, rcond, a.cols)) {
    if (team.rank() == 0) needs_svd = !is_certain<double>(least, rcond, a.cols);
    return false;
  }
  const double condition = invert(team, columns, workspace.triangle);
  if (!is_certain<T>(condition, rcond, a.cols)) return false;
  if (needs_more<S, T>(condition, a.rows, a.cols)) return false;

  const MatrixView<T> rows = workspace.rows.in(out);
  const MatrixView<T>& inverse = workspace.triangle.inverse;
  for (Index i = mine.begin; i < mine.end; ++i) {
    T* row = rows.data + i * rows.row_stride;
    std::copy_n(inverse.data + i * inverse.row_stride, a.cols, row);
    std::fill(row + a.cols, row + a.rows, T(0));
  }
  team.barrier();
  apply_q(team, workspace.qr.q, false, rows, workspace.qr.block);
  workspace.rows.finish(team, *workspace.exponent, out);
  return true;
}

// ---- by divide and conquer ----

template <class T, class S>
SvdPinv<T, S> carve_svd_pinv(Carver& carver, Index rows, Index cols, bool in_place, int threads) {
  SvdPinv<T, S> workspace;
  workspace.svd = carve_dense_svd<T>(carver, rows, cols, cols, threads);
  workspace.left = carver.take_columns<T>(rows, cols);
  workspace.right = carver.take_columns<T>(cols, cols);
  workspace.rows = carve_rows<T, S>(carver, rows, cols, in_place);
  workspace.gemm = carver.take<std::byte>(ops::gemm_workspace_up_to<T>(cols, rows, cols, threads));
  return workspace;
}

template <class T, class S>
bool invert_by_svd(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                   double rcond, const SvdPinv<T, S>& workspace) {
  if (!tells_cutoff<T>(rcond, a.cols)) return false;
  const DenseSvd<T>& svd = workspace.svd;
  if (!decompose(team, a, svd)) return false;
  const T* values = svd.values;
  // Only vectors of values above the cutoff are ever computed.
  const Index rank = rank_of(values, a.cols, rcond);
  const Columns<T>&left = workspace.left, &right = workspace.right;
  left_vectors<T>(team, svd, {left.data, rank, a.rows, left.stride, 1});
  right_vectors<T>(team, svd, {right.data, rank, a.cols, right.stride, 1});
  const runtime::Range mine = team.share(rank);
  for (Index k = mine.begin; k < mine.end; ++k) {
    runtime::kernels<T>().vector->scale(1 / values[k], right[k], a.cols);
  }
  team.barrier();
  ops::Gemm<T> product;
  product.a = {right.data, a.cols, rank, 1, right.stride};
  product.b = {left.data, rank, a.rows, left.stride, 1};
  product.c = workspace.rows.in(out);
  ops::gemm(team, product, workspace.gemm);
  team.barrier();
  workspace.rows.finish(team, *svd.exponent, out);
  return true;
}

// ---- by one-sided Jacobi ----

JacobiPinv carve_jacobi_pinv(Carver& carver, Index rows, Index cols, int threads) {
  JacobiPinv workspace;
  workspace.decomposition = carve_decomposition<double>(carver, rows, cols, true, threads);
  workspace.rows = carver.take_columns<double>(rows, cols);
  if (is_for_extended(rows, cols)) workspace.extended = carve_extended_pinv(carver, rows, cols);
  return workspace;
}

template <class S>
void invert_by_jacobi(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                      double rcond, const JacobiPinv& workspace) {
  const Decomposition<double>& parts = workspace.decomposition;
  reduce(team, a, parts);
  diagonalize(team, parts);
  const Index rank = rank_of(parts.values, *parts.rank, rcond);
  if constexpr (std::is_same_v<S, double>) {
    if (rank > 0 && is_for_extended(a.rows, a.cols) &&
        parts.values[0] > least_extended_ratio * parts.values[rank - 1]) {
      if (team.rank() == 0) {
        invert_in_extended(a, parts, rcond, out, workspace.extended);
      }
      return;
    }
  }
  multiply_factors(team, parts, rank, workspace.rows);
  apply_q(team, parts.qr, workspace.rows);
  store_columns(workspace.rows, nullptr, PowerOfTwo<double>(*parts.exponent),
                team.share(workspace.rows.count), out);
}

#define UNITGAIN_INSTANTIATE(T, S)                                                                 \
  template TrianglePinv<T, S> carve_triangle_pinv<T, S>(Carver&, Index, Index, bool, int);         \
  template bool invert_by_triangle<T, S>(const runtime::Team&, MatrixView<const S>, MatrixView<S>, \
                                         double, const TrianglePinv<T, S>&, char&);                \
  template SvdPinv<T, S> carve_svd_pinv<T, S>(Carver&, Index, Index, bool, int);                   \
  template bool invert_by_svd<T, S>(const runtime::Team&, MatrixView<const S>, MatrixView<S>,      \
                                    double, const SvdPinv<T, S>&);
UNITGAIN_INSTANTIATE(float, float)
UNITGAIN_INSTANTIATE(double, float)
UNITGAIN_INSTANTIATE(double, double)
#undef UNITGAIN_INSTANTIATE

template void invert_by_jacobi<float>(const runtime::Team&, MatrixView<const float>,
                                      MatrixView<float>, double, const JacobiPinv&);
template void invert_by_jacobi<double>(const runtime::Team&, MatrixView<const double>,
                                       MatrixView<double>, double, const JacobiPinv&);

}  // namespace unitgain::linalg
