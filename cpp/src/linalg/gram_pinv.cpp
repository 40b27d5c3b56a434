#include "linalg/gram_pinv.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/certificate.hpp"
#include "ops/gemm.hpp"

namespace unitgain::linalg {

namespace {

using ops::transposed;

// The largest sum of magnitudes of a symmetric matrix's row, by its upper triangle.
double norm_of_symmetric(const MatrixView<double>& a, double* sums) {
  std::fill_n(sums, a.rows, 0.0);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = i; j < a.cols; ++j) {
      const double magnitude = std::abs(a.data[i * a.row_stride + j]);
      sums[i] += magnitude;
      if (j > i) sums[j] += magnitude;
    }
  }
  return *std::max_element(sums, sums + a.rows);
}

}  // namespace

template <class S>
GramPinv carve_gram_pinv(Carver& carver, Index rows, Index cols, int threads) {
  const Index stride = column_stride<double>(cols);
  return {carve_gram<S>(carver, rows, cols, 0, threads),
          carve_triangle_inverse<double>(carver, cols, threads),
          {carver.take<double>(cols * stride), cols, cols, stride, 1},
          carver.take<std::byte>(ops::gemm_workspace<double>(cols, cols, cols, threads))};
}

// The inverse is Z Z^T where Z = R^-1 and R^T R = A^T A + E, E below some m roundings of |A|^2.
// With |Z|^2 |A|^2 below the certificate's bound that is a small part of the least eigenvalue of
// A^T A, so that what the computed inverse says of the condition holds for A.
template <class S>
bool invert_by_gram(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                    double rcond, const GramPinv& road) {
  if (is_hopeless(team, a, largest_gram_condition<S>, road.gram, road.triangle)) return false;
  multiply_by_itself(team, a, road.gram);
  if (!find_triangle(team, road.gram)) return false;
  invert(team, road.gram.triangle(), road.triangle);
  const MatrixView<double>& z = road.triangle.inverse;
  ops::Gemm<double> product;
  product.a = {z.data, z.rows, z.cols, z.row_stride, 1};
  product.b = {z.data, z.cols, z.rows, 1, z.row_stride};
  product.c = road.inverse;
  ops::gemm(team, product, road.gemm);
  team.barrier();
  if (team.rank() == 0) {
    double* const sums = road.triangle.squares;
    const double norm = norm_of_symmetric(road.gram.gram, sums);
    sums[0] = std::sqrt(norm) * std::sqrt(norm_of_symmetric(road.inverse, sums));
  }
  team.barrier();
  if (!is_certain_by_gram<S>(road.triangle.squares[0], rcond)) return false;
  multiply_rows(team, a, road.inverse, transposed(out), road.gram);
  return true;
}

#define UNITGAIN_INSTANTIATE(S)                                                             \
  template GramPinv carve_gram_pinv<S>(Carver&, Index, Index, int);                         \
  template bool invert_by_gram<S>(const runtime::Team&, MatrixView<const S>, MatrixView<S>, \
                                  double, const GramPinv&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
