#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/certificate.hpp"
#include "linalg/dense_svd.hpp"
#include "linalg/extended_pinv.hpp"
#include "linalg/gram_pinv.hpp"
#include "linalg/householder.hpp"
#include "linalg/preconditioned_pinv.hpp"
#include "linalg/small_stack.hpp"
#include "linalg/stack.hpp"
#include "linalg/svd.hpp"
#include "linalg/triangle.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

// Whether the arithmetic of T tells a singular value at the cutoff from one that is zero. Float's
// singular values are off by some sqrt(n) roundings of the largest.
template <class T>
bool tells_cutoff(double rcond, Index cols) {
  constexpr double roundings = 8;
  return !std::is_same_v<T, float> || rcond >= roundings * std::numeric_limits<float>::epsilon() *
                                                   std::sqrt(static_cast<double>(cols));
}

// ---- by one-sided Jacobi ----

template <class T>
struct JacobiWorkspace {
  Decomposition<T> decomposition;
  Columns<T> rows;  // the rows of the pseudoinverse of the tall matrix
  ExtendedPinv extended;
};

template <class T>
JacobiWorkspace<T> carve_jacobi(Carver& carver, Index rows, Index cols, int threads) {
  JacobiWorkspace<T> workspace;
  workspace.decomposition = carve_decomposition<T>(carver, rows, cols, true, threads);
  workspace.rows = carver.take_columns<T>(rows, cols);
  if (is_for_extended(rows, cols)) workspace.extended = carve_extended_pinv(carver, rows, cols);
  return workspace;
}

// Column i of `out` becomes the sum over k < rank of J_k W_k[i] / s_k, which is the product
// J diag(1 / s) W^T; rows below J's become zero. Each thread does its share of the columns.
template <class T>
void multiply_factors(const runtime::Team& team, const Decomposition<T>& parts, Index rank,
                      Columns<T> out) {
  // J's columns of one pass stay in the first-level cache while the columns of `out` pass by.
  constexpr Index columns_per_pass = 8;
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const runtime::Range mine = team.share(out.count);
  for (Index i = mine.begin; i < mine.end; ++i) std::fill_n(out[i], out.rows, T(0));
  for (Index k0 = 0; k0 < rank; k0 += columns_per_pass) {
    const Index k1 = std::min(k0 + columns_per_pass, rank);
    for (Index i = mine.begin; i < mine.end; ++i) {
      for (Index k = k0; k < k1; k += 4) {
        const T* columns[4];
        T weights[4];
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

template <class T, class S>
void invert_by_jacobi(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                      double rcond, const JacobiWorkspace<T>& workspace) {
  const Decomposition<T>& parts = workspace.decomposition;
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
  store_columns(workspace.rows, nullptr, PowerOfTwo<T>(*parts.exponent),
                team.share(workspace.rows.count), out);
}

// ---- where the result is made ----

// The rows of the pseudoinverse of a tall matrix: in the result's own memory if they can be, or
// else in a workspace that is copied.
template <class T, class S>
struct Rows {
  Columns<T> own;

  MatrixView<T> in(MatrixView<S> out) const {
    if constexpr (std::is_same_v<S, T>) {
      if (own.data == nullptr) return out;
    }
    return {own.data, out.rows, out.cols, own.stride, 1};
  }

  // out = 2^exponent rows, each thread doing what it has of the rows.
  void finish(const runtime::Team& team, int exponent, MatrixView<S> out) const {
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
};

template <class T, class S>
Rows<T, S> carve_rows(Carver& carver, Index rows, Index cols, bool in_place) {
  if (in_place && std::is_same_v<S, T>) return {{nullptr, rows, cols, 0}};
  return {carver.take_columns<T>(rows, cols)};
}

// ---- by divide and conquer ----

template <class T, class S>
struct SvdWorkspace {
  DenseSvd<T> svd;
  Columns<T> left, right;  // singular vectors
  Rows<T, S> rows;
  std::byte* gemm;
};

template <class T, class S>
SvdWorkspace<T, S> carve_svd(Carver& carver, Index rows, Index cols, bool in_place, int threads) {
  SvdWorkspace<T, S> workspace;
  workspace.svd = carve_dense_svd<T>(carver, rows, cols, cols, threads);
  workspace.left = carver.take_columns<T>(rows, cols);
  workspace.right = carver.take_columns<T>(cols, cols);
  workspace.rows = carve_rows<T, S>(carver, rows, cols, in_place);
  workspace.gemm = carver.take<std::byte>(ops::gemm_workspace_up_to<T>(cols, rows, cols, threads));
  return workspace;
}

// False, with nothing of use written, if the singular values were not found.
template <class T, class S>
bool invert_by_svd(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                   double rcond, const SvdWorkspace<T, S>& workspace) {
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

// ---- by the triangle of a QR decomposition ----

template <class T, class S>
struct TriangleWorkspace {
  HouseholderQr<T> qr;
  TriangleInverse<T> triangle;
  Rows<T, S> rows;
  int* exponent;
};

template <class T, class S>
TriangleWorkspace<T, S> carve_triangle(Carver& carver, Index rows, Index cols, bool in_place,
                                       int threads) {
  TriangleWorkspace<T, S> workspace;
  workspace.qr = carve_householder<T>(carver, rows, cols, cols, threads);
  workspace.triangle = carve_triangle_inverse<T>(carver, cols, threads);
  workspace.rows = carve_rows<T, S>(carver, rows, cols, in_place);
  workspace.exponent = carver.take<int>(1);
  return workspace;
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

// The pseudoinverse of a tall matrix of S in the arithmetic of T, if it can be had without singular
// values; false, and nothing of use written, if not. `needs_svd` says whether more
// exact arithmetic would not help either.
//
// Where is_certain() holds, no singular value is cut off, and the pseudoinverse is R^-1 Q^T without
// knowing them.
template <class T, class S>
bool invert_by_triangle(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                        double rcond, const TriangleWorkspace<T, S>& workspace, char& needs_svd) {
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

// ---- the choice ----

// A stack's problems, all as tall matrices.
template <class S>
class Stack {
 public:
  explicit Stack(std::span<const PinvProblem<S>> problems)
      : problems_(problems), waiting_(problems.size()), needs_svd_(problems.size()) {
    const MatrixView<const S>& a = problems.front().a;
    wide_ = a.rows < a.cols;
    rows_ = std::max(a.rows, a.cols);
    cols_ = std::min(a.rows, a.cols);
    for (std::size_t i = 0; i < problems.size(); ++i) {
      in_place_ = in_place_ && out(i).col_stride == 1;
    }
  }

  // Finds out by itself whether all entries are finite.
  void try_gram() {
    if (!is_for_gram(rows_, cols_)) return;
    attempt<double>(
        {3 * n() * n() + 0.06 * m() * n() * n(), 10 + cols_ / 8},
        [&](Carver& carver, int threads) {
          return carve_gram_pinv<S>(carver, rows_, cols_, threads);
        },
        [](const auto&... arguments) { return invert_by_gram<S>(arguments...); });
  }

  // The same.
  void try_preconditioning() {
    if (!is_for_gram(rows_, cols_)) return;
    attempt<double>(
        {10 * n() * n() + 0.1 * m() * n() * n(), 2 * cols_},
        [&](Carver& carver, int threads) {
          return carve_preconditioned_pinv<S>(carver, rows_, cols_, threads);
        },
        [](const auto&... arguments) { return invert_by_preconditioning<S>(arguments...); });
  }

  std::vector<PinvProblem<S>> waiting() const {
    std::vector<PinvProblem<S>> rest;
    for (std::size_t i = 0; i < problems_.size(); ++i) {
      if (waiting_.waits(i)) rest.push_back(problems_[i]);
    }
    return rest;
  }

  template <class T>
  void try_triangle() {
    waiting_.attempt(
        {3 * n() * n() + 0.1 * m() * n() * n(), 2 * cols_},
        [&](Carver& carver, int threads) {
          return carve_triangle<T, S>(carver, rows_, cols_, in_place_, threads);
        },
        [&](const runtime::Team& team, std::size_t i, const TriangleWorkspace<T, S>& workspace) {
          const double rcond = problems_[i].rcond;
          return !(std::is_same_v<T, double> && needs_svd_[i]) &&
                 invert_by_triangle<T, S>(team, a(i), out(i), rcond, workspace, needs_svd_[i]);
        });
  }

  template <class T>
  void try_svd() {
    attempt<T>(
        {10 * n() * n() + 0.25 * m() * n() * n(), cols_},
        [&](Carver& carver, int threads) {
          return carve_svd<T, S>(carver, rows_, cols_, in_place_, threads);
        },
        [](const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out, double rcond,
           const SvdWorkspace<T, S>& workspace) {
          return tells_cutoff<T>(rcond, a.cols) &&
                 invert_by_svd<T, S>(team, a, out, rcond, workspace);
        });
  }

  template <class T>
  void by_jacobi() {
    attempt<T>(
        {10 * n() * n() + m() * n() * n(), 3 * cols_},
        [&](Carver& carver, int threads) { return carve_jacobi<T>(carver, rows_, cols_, threads); },
        [](const auto&... arguments) {
          invert_by_jacobi<T, S>(arguments...);
          return true;
        });
  }

 private:
  double m() const { return static_cast<double>(rows_); }
  double n() const { return static_cast<double>(cols_); }
  MatrixView<const S> a(std::size_t i) const {
    return wide_ ? transposed(problems_[i].a) : problems_[i].a;
  }
  MatrixView<S> out(std::size_t i) const {
    return wide_ ? transposed(problems_[i].out) : problems_[i].out;
  }

  template <class T, class Carve, class Attempt>
  void attempt(Cost cost, Carve&& carve, Attempt&& attempt) {
    waiting_.attempt(cost, carve,
                     [&](const runtime::Team& team, std::size_t i, const auto& workspace) {
                       return attempt(team, a(i), out(i), problems_[i].rcond, workspace);
                     });
  }

  std::span<const PinvProblem<S>> problems_;
  Waiting waiting_;
  std::vector<char> needs_svd_;  // of the path by a triangle
  bool wide_, in_place_ = true;
  Index rows_, cols_;
};

}  // namespace

}  // namespace linalg

template <class T>
void pinv(std::span<const PinvProblem<T>> problems) {
  for (const PinvProblem<T>& problem : problems) {
    linalg::require_shape(problem.a, problems.front().a);
    if (problem.out.rows != problem.a.cols || problem.out.cols != problem.a.rows) {
      throw ValueError("out has shape " + base::shape_text({problem.out.rows, problem.out.cols}) +
                       ", but a has shape " + base::shape_text({problem.a.rows, problem.a.cols}));
    }
    if (problem.method != problems.front().method) {
      throw ValueError("a stack's pseudoinverses have different methods");
    }
  }
  if (problems.empty() || problems.front().a.rows == 0 || problems.front().a.cols == 0) return;
  const bool by_svd = problems.front().method == PinvMethod::svd;
  linalg::Stack<T> tall(problems);
  if (!by_svd) {
    tall.try_gram();
    tall.try_preconditioning();
  }
  const std::vector<PinvProblem<T>> unsolved = tall.waiting();
  if (unsolved.empty()) return;
  std::vector<PinvProblem<T>> rest;
  linalg::pinv_in_lanes<T>(unsolved, rest);
  if (rest.empty()) return;
  linalg::Stack<T> stack(rest);
  const MatrixView<const T>& first = rest.front().a;
  const bool is_dense = std::min(first.rows, first.cols) >= linalg::least_dense_cols;
  constexpr bool widens = std::is_same_v<T, float>;
  if (!by_svd) {
    // In double a small matrix of floats takes no longer.
    if (is_dense || !widens) stack.template try_triangle<T>();
    if constexpr (widens) stack.template try_triangle<double>();
  }
  if (is_dense) {
    stack.template try_svd<T>();
    if constexpr (widens) stack.template try_svd<double>();
  }
  stack.template by_jacobi<double>();
}

template <class T>
void pinv(MatrixView<const T> a, MatrixView<T> out, double rcond, PinvMethod method) {
  const PinvProblem<T> problem = {a, out, rcond, method};
  pinv(std::span<const PinvProblem<T>>(&problem, 1));
}

template void pinv<float>(std::span<const PinvProblem<float>>);
template void pinv<double>(std::span<const PinvProblem<double>>);
template void pinv<float>(MatrixView<const float>, MatrixView<float>, double, PinvMethod);
template void pinv<double>(MatrixView<const double>, MatrixView<double>, double, PinvMethod);

}  // namespace unitgain
