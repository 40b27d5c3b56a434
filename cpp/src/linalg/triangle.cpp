#include "linalg/triangle.hpp"

#include <algorithm>
#include <cmath>

#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// Rows of the blocks on the diagonal that are inverted row by row.
constexpr Index leaf = 32;

// Products of blocks up to this side are done by one thread, several at a time.
constexpr Index most_single = 128;

template <class T>
Index own_bytes(Index n) {
  const Index side = std::min(n, most_single);
  return runtime::thread_bytes(ops::gemm_workspace_up_to<T>(side, side, side, 1));
}

template <class T>
class Inversion {
 public:
  Inversion(Columns<T> r, const TriangleInverse<T>& result)
      : r_(r), result_(result), n_(r.count), vector_(*runtime::kernels<T>().vector) {}

  void run(const runtime::Team& team) {
    const runtime::Range leaves = team.share((n_ + leaf - 1) / leaf);
    for (Index i = leaves.begin; i < leaves.end; ++i) invert_leaf(i * leaf);
    team.barrier();
    const Index own = own_bytes<T>(n_);
    for (Index side = leaf; side < n_; side *= 2) {
      const Index pairs = (n_ + side - 1) / (2 * side);
      if (side <= most_single) {
        for (Index p = team.rank(); p < pairs; p += team.size()) {
          join(runtime::Team(), 2 * p * side, side, result_.gemm + team.rank() * own);
        }
        team.barrier();
      } else {
        for (Index p = 0; p < pairs; ++p) join(team, 2 * p * side, side, result_.gemm);
      }
    }
  }

  // Row i of X is (e_i - sum over l > i of r_il X's row l) / r_ii.
  void invert_leaf(Index first) {
    const Index end = std::min(first + leaf, n_);
    for (Index i = end - 1; i >= first; --i) {
      T* row = at(i, 0);
      std::fill_n(row, n_, T(0));
      row[i] = 1;
      for (Index l = i + 1; l < end; ++l) {
        vector_.axpy(-r_[l][i], at(l, l), row + l, end - l);
      }
      const T diagonal = r_[i][i];
      for (Index l = i; l < end; ++l) row[l] /= diagonal;
    }
  }

  // The inverse of ((P Q) (0 S)) is ((P' -P' Q S') (0 S')).
  void join(const runtime::Team& team, Index first, Index side, std::byte* workspace) {
    const Index second = first + side, cols = std::min(side, n_ - second);
    T* product = result_.scratch + first / (2 * side) * side * side;
    ops::Gemm<T> right;
    right.a = {r_[second] + first, side, cols, 1, r_.stride};
    right.b = {at(second, second), cols, cols, result_.inverse.row_stride, 1};
    right.c = {product, side, cols, cols, 1};
    ops::gemm(team, right, workspace);
    team.barrier();
    ops::Gemm<T> left;
    left.a = {at(first, first), side, side, result_.inverse.row_stride, 1};
    left.b = {product, side, cols, cols, 1};
    left.c = {at(first, second), side, cols, result_.inverse.row_stride, 1};
    left.alpha = -1;
    ops::gemm(team, left, workspace);
    team.barrier();
  }

  void measure(Index i) {
    const T* row = at(i, i);
    result_.squares[i] = vector_.dot(r_[i], r_[i], i + 1);
    result_.squares[n_ + i] = vector_.dot(row, row, n_ - i);
  }

 private:
  T* at(Index i, Index j) const {
    return result_.inverse.data + i * result_.inverse.row_stride + j;
  }

  Columns<T> r_;
  const TriangleInverse<T>& result_;
  Index n_;
  const simd::VectorKernels<T>& vector_;
};

}  // namespace

template <class T>
TriangleInverse<T> carve_triangle_inverse(Carver& carver, Index n, int threads) {
  TriangleInverse<T> result;
  const Index stride = column_stride<T>(n);
  result.inverse = {carver.take<T>(n * stride), n, n, stride, 1};
  // The products of one side take side * (n - side) values at most.
  result.scratch = carver.take<T>(n * n / 4 + 1);
  result.squares = carver.take<double>(2 * n);
  Index bytes = threads * own_bytes<T>(n);
  for (Index side = 2 * most_single; side < n; side *= 2) {
    for (Index first = 0; first + side < n; first += 2 * side) {
      const Index cols = std::min(side, n - first - side);
      bytes = std::max({bytes, ops::gemm_workspace<T>(side, cols, cols, threads),
                        ops::gemm_workspace<T>(side, cols, side, threads)});
    }
  }
  result.gemm = carver.take<std::byte>(bytes);
  return result;
}

template <class T>
double invert(const runtime::Team& team, Columns<T> r, const TriangleInverse<T>& result) {
  Inversion<T> inversion(r, result);
  inversion.run(team);
  const Index n = r.count;
  const runtime::Range mine = team.share(n);
  for (Index i = mine.begin; i < mine.end; ++i) inversion.measure(i);
  team.barrier();
  double square = 0, inverse_square = 0;
  for (Index i = 0; i < n; ++i) {
    square += result.squares[i];
    inverse_square += result.squares[n + i];
  }
  return std::sqrt(square) * std::sqrt(inverse_square);
}

template <class T>
void divide_by_triangle(const Columns<T>& r, bool transposed, T* x) {
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  if (transposed) {
    for (Index j = 0; j < r.count; ++j) x[j] = (x[j] - vector.dot(r[j], x, j)) / r[j][j];
  } else {
    for (Index j = r.count; j-- > 0;) {
      x[j] /= r[j][j];
      vector.axpy(-x[j], r[j], x, j);
    }
  }
}

template void divide_by_triangle<double>(const Columns<double>&, bool, double*);

#define UNITGAIN_INSTANTIATE(T)                                               \
  template TriangleInverse<T> carve_triangle_inverse<T>(Carver&, Index, int); \
  template double invert<T>(const runtime::Team&, Columns<T>, const TriangleInverse<T>&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
