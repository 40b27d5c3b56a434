#include "linalg/dense_svd.hpp"

#include "linalg/svd.hpp"

namespace unitgain::linalg {

namespace {

// From how many rows a column on the QR decomposition pays: it takes 2 m n^2 - 2/3 n^3 operations
// and the bidiagonal form of what remains 8/3 n^3, against 4 m n^2 - 4/3 n^3, half of them slow
// (Chan, "An improved algorithm for computing the singular value decomposition", 1982).
bool is_tall_shape(Index rows, Index cols) {
  return 2 * rows >= 3 * cols;
}

// out(k, :) = the vector of the k-th largest value, or a unit vector where there is none, filled up
// with zeros.
template <class T>
void place(const runtime::Team& team, const BidiagonalSvd& middle,
           const MatrixView<double>& vectors, MatrixView<T> out) {
  const runtime::Range mine = team.share(out.rows);
  for (Index k = mine.begin; k < mine.end; ++k) {
    T* row = out.data + k * out.row_stride;
    if (k < middle.n) {
      const double* from = vectors.data + middle.order[middle.n - 1 - k] * vectors.row_stride;
      for (Index i = 0; i < middle.n; ++i) row[i] = static_cast<T>(from[i]);
      std::fill(row + middle.n, row + out.cols, T(0));
    } else {
      std::fill_n(row, out.cols, T(0));
      row[k] = 1;
    }
  }
  team.barrier();
}

}  // namespace

template <class T>
DenseSvd<T> carve_dense_svd(Carver& carver, Index rows, Index cols, Index vectors, int threads) {
  DenseSvd<T> svd;
  svd.is_tall = is_tall_shape(rows, cols);
  if (svd.is_tall) {
    svd.outer = carve_householder<T>(carver, rows, cols, std::max(cols, vectors), threads);
  }
  svd.inner = carve_bidiagonalization<T>(carver, svd.is_tall ? cols : rows, cols,
                                         std::max(cols, vectors), threads);
  svd.middle = carve_bidiagonal_svd(carver, cols, vectors > 0, threads);
  svd.values = carver.take<T>(cols);
  svd.exponent = carver.take<int>(1);
  return svd;
}

template <class S, class T>
bool decompose(const runtime::Team& team, MatrixView<const S> a, const DenseSvd<T>& svd) {
  if (team.rank() == 0) *svd.exponent = scaling_exponent<T>(largest_entry(a));
  team.barrier();
  const Columns<T>& square = svd.inner.left.tails;
  const runtime::Range mine = team.share(a.cols);
  load_columns(a, *svd.exponent, mine, svd.is_tall ? svd.outer.q.tails : square);
  team.barrier();
  if (svd.is_tall) {
    factor(team, svd.outer);
    for (Index j = mine.begin; j < mine.end; ++j) {
      std::copy_n(svd.outer.q.tails[j], j + 1, square[j]);
      std::fill(square[j] + j + 1, square[j] + square.rows, T(0));
    }
    team.barrier();
  }
  bidiagonalize(team, svd.inner);
  const BidiagonalSvd& middle = svd.middle;
  for (Index k = mine.begin; k < mine.end; ++k) {
    middle.diagonal[k] = static_cast<double>(svd.inner.diagonal[k]);
    if (k + 1 < a.cols) middle.superdiagonal[k] = static_cast<double>(svd.inner.superdiagonal[k]);
  }
  team.barrier();
  const bool found = solve(team, middle);
  for (Index k = mine.begin; k < mine.end; ++k) {
    svd.values[k] = static_cast<T>(middle.values[middle.order[a.cols - 1 - k]]);
  }
  team.barrier();
  return found;
}

template <class T>
void left_vectors(const runtime::Team& team, const DenseSvd<T>& svd, MatrixView<T> out) {
  place(team, svd.middle, svd.middle.left, out);
  const Reflectors<T>& q = svd.inner.left;
  find_triangles(team, q, svd.inner.block);
  if (!svd.is_tall) {
    apply_q(team, q, false, out, svd.inner.block);
    return;
  }
  const Index inner = std::min(q.tails.rows, out.rows);
  apply_q<T>(team, q, false, {out.data, inner, q.tails.rows, out.row_stride, 1}, svd.inner.block);
  apply_q(team, svd.outer.q, false, out, svd.outer.block);
}

template <class T>
void right_vectors(const runtime::Team& team, const DenseSvd<T>& svd, MatrixView<T> out) {
  place(team, svd.middle, svd.middle.right, out);
  find_triangles(team, svd.inner.right, svd.inner.block);
  apply_q(team, svd.inner.right, false, out, svd.inner.block);
}

#define UNITGAIN_INSTANTIATE(T)                                                                 \
  template DenseSvd<T> carve_dense_svd<T>(Carver&, Index, Index, Index, int);                   \
  template bool decompose<T, T>(const runtime::Team&, MatrixView<const T>, const DenseSvd<T>&); \
  template void left_vectors<T>(const runtime::Team&, const DenseSvd<T>&, MatrixView<T>);       \
  template void right_vectors<T>(const runtime::Team&, const DenseSvd<T>&, MatrixView<T>);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

template bool decompose<float, double>(const runtime::Team&, MatrixView<const float>,
                                       const DenseSvd<double>&);

}  // namespace unitgain::linalg
