#include "linalg/svd.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/dense_svd.hpp"
#include "linalg/gram.hpp"
#include "linalg/preconditioned_qr.hpp"
#include "linalg/small_stack.hpp"
#include "linalg/stack.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

// Below, double costs float matrices little, and float's roundings would be as large as what
// sqrt(cols) of them are allowed to be.
constexpr Index least_float_cols = 128;

// One-sided Jacobi's arrays beside the decomposition: the left vectors at their full length, and,
// to complete the right vectors of null singular values, a QR decomposition of the others.
template <class T>
struct JacobiWorkspace {
  Decomposition<T> decomposition;
  Columns<T> tall;
  PivotedQr<T> completion;
};

template <class T>
JacobiWorkspace<T> carve_jacobi(Carver& carver, Index rows, Index cols, Index left_vectors,
                                int threads) {
  JacobiWorkspace<T> workspace;
  workspace.decomposition = carve_decomposition<T>(carver, rows, cols, left_vectors > 0, threads);
  if (left_vectors > 0) {
    workspace.tall = carver.take_columns<T>(rows, left_vectors);
    workspace.completion = carve_qr<T>(carver, cols, cols);
  }
  return workspace;
}

// out(k, :) = Q (J_k; 0), and the rest of an orthonormal basis where out has more rows than A
// columns.
template <class T>
void store_left(const runtime::Team& team, const JacobiWorkspace<T>& workspace, MatrixView<T> out) {
  const Decomposition<T>& parts = workspace.decomposition;
  const Columns<T>& tall = workspace.tall;
  const runtime::Range mine = team.share(tall.count);
  for (Index k = mine.begin; k < mine.end; ++k) {
    std::fill_n(tall[k], tall.rows, T(0));
    if (k < parts.left.count) {
      std::copy_n(parts.left[parts.order[k]], parts.left.rows, tall[k]);
    } else {
      tall[k][k] = 1;
    }
  }
  apply_q(team, parts.qr, tall);
  store_columns<T, T>(tall, nullptr, PowerOfTwo<T>(0), mine, out);
}

// out(k, :) = W_k; those of null singular values complete the orthonormal basis.
template <class T>
void store_right(const runtime::Team& team, const JacobiWorkspace<T>& workspace,
                 MatrixView<T> out) {
  const Decomposition<T>& parts = workspace.decomposition;
  const Index n = parts.right.count;
  const Index rank = *parts.rank;
  const runtime::Range mine = team.share(rank);
  store_columns(parts.right, parts.order, PowerOfTwo<T>(0), mine, out);
  if (rank == n) return;

  PivotedQr<T> qr = workspace.completion;
  qr.columns.count = rank;
  for (Index k = mine.begin; k < mine.end; ++k) {
    std::copy_n(parts.right[parts.order[k]], n, qr.columns[k]);
  }
  team.barrier();
  factor(team, qr);
  // J has been used: its memory takes the missing vectors.
  const Columns<T> missing = {parts.left.data, n, n - rank, parts.left.stride};
  const runtime::Range added = team.share(n - rank);
  for (Index k = added.begin; k < added.end; ++k) {
    std::fill_n(missing[k], n, T(0));
    missing[k][rank + k] = 1;
  }
  apply_q(team, qr, missing);
  const MatrixView<T> rest = {out.data + rank * out.row_stride, n - rank, n, out.row_stride,
                              out.col_stride};
  store_columns<T, T>(missing, nullptr, PowerOfTwo<T>(0), added, rest);
}

template <class T>
void set_identity(MatrixView<T> a) {
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) a.data[i * a.row_stride + j * a.col_stride] = i == j;
  }
}

template <class W, class T>
void store_values(const runtime::Team& team, const W* values, Index n, int exponent, T* out) {
  if (team.rank() != 0) return;
  const PowerOfTwo<W> unscale(-exponent);
  for (Index k = 0; k < n; ++k) out[k] = static_cast<T>(unscale(values[k]));
}

// A problem as that of a tall matrix: left and right have its singular vectors as rows.
template <class T>
struct TallProblem {
  MatrixView<const T> a;
  MatrixView<T> left;
  T* values;
  MatrixView<T> right;

  explicit TallProblem(const SvdProblem<T>& p)
      : a(p.a), left(transposed(p.u)), values(p.s), right(p.vt) {
    if (a.rows >= a.cols) return;
    a = transposed(p.a);
    left = p.vt;
    right = transposed(p.u);
  }
};

// Has an answer for every matrix.
template <class T>
void solve_by_jacobi(const runtime::Team& team, const TallProblem<T>& problem,
                     const JacobiWorkspace<T>& workspace) {
  const Decomposition<T>& parts = workspace.decomposition;
  reduce(team, problem.a, parts);
  diagonalize(team, parts);
  store_values(team, parts.values, problem.a.cols, *parts.exponent, problem.values);
  if (problem.left.data == nullptr) return;
  store_left(team, workspace, problem.left);
  team.barrier();
  store_right(team, workspace, problem.right);
}

// The dense method in the arithmetic of W.
template <class W>
struct DenseWorkspace {
  DenseSvd<W> svd;
  Columns<W> left, right;  // vectors that cannot be made in the result itself
};

template <class W, class T>
DenseWorkspace<W> carve_dense(Carver& carver, const TallProblem<T>& problem, int threads) {
  const Index rows = problem.a.rows, cols = problem.a.cols;
  DenseWorkspace<W> workspace{
      carve_dense_svd<W>(carver, rows, cols, problem.left.rows, threads), {}, {}};
  const auto carve_own = [&](MatrixView<T> out) {
    const bool in_place = std::is_same_v<W, T> && out.col_stride == 1;
    return out.rows == 0 || in_place ? Columns<W>{} : carver.take_columns<W>(out.cols, out.rows);
  };
  workspace.left = carve_own(problem.left);
  workspace.right = carve_own(problem.right);
  return workspace;
}

// False, with nothing of use written, if the singular values were not found.
template <class W, class T>
bool solve_dense(const runtime::Team& team, const TallProblem<T>& problem,
                 const DenseWorkspace<W>& workspace) {
  const DenseSvd<W>& svd = workspace.svd;
  if (!decompose(team, problem.a, svd)) return false;
  store_values(team, svd.values, problem.a.cols, *svd.exponent, problem.values);
  if (problem.left.data == nullptr) return true;
  const auto store = [&](auto vectors, Columns<W> own, MatrixView<T> out) {
    if constexpr (std::is_same_v<W, T>) {
      if (own.data == nullptr) {
        vectors(team, svd, out);
        return;
      }
    }
    vectors(team, svd, MatrixView<W>{own.data, out.rows, out.cols, own.stride, 1});
    store_columns(own, nullptr, PowerOfTwo<W>(0), team.share(out.rows), out);
  };
  store(left_vectors<W>, workspace.left, problem.left);
  store(right_vectors<W>, workspace.right, problem.right);
  return true;
}

template <class W, class T>
void attempt_dense(Waiting& waiting, std::span<const SvdProblem<T>> problems) {
  const TallProblem<T> shape(problems.front());
  const auto m = static_cast<double>(shape.a.rows), n = static_cast<double>(shape.a.cols);
  const auto left = static_cast<double>(shape.left.rows);
  waiting.attempt(
      {10 * n * n + 0.25 * n * n * n + 0.05 * m * n * (n + left), shape.a.cols},
      [&](Carver& carver, int threads) { return carve_dense<W>(carver, shape, threads); },
      [&](const runtime::Team& team, std::size_t i, const DenseWorkspace<W>& workspace) {
        return solve_dense(team, TallProblem<T>(problems[i]), workspace);
      });
}

// Of a tall matrix of floats, by A^T A in double.
struct GramSvd {
  GramWorkspace gram;
  DenseSvd<double> svd;  // of R
  Columns<double> right;
};

GramSvd carve_gram_road(Carver& carver, const TallProblem<float>& problem, int threads) {
  const Index rows = problem.a.rows, cols = problem.a.cols, vectors = problem.left.rows;
  GramSvd workspace{carve_gram<float>(carver, rows, cols, 0, threads),
                    carve_dense_svd<double>(carver, cols, cols, vectors, threads),
                    {}};
  if (vectors > 0) workspace.right = carver.take_columns<double>(cols, cols);
  return workspace;
}

// A = U S V^T from R = W S V^T and U = A V S^-1, where R^T R = A^T A, if that is all but exact in
// float; false, and nothing of use written, if not, or if A has entries that are not finite.
//
// With double's epsilon e and the condition k, the singular values are off by e k^2 of themselves,
// and U is orthogonal to e k^2: with k below 2^11, less than a rounding to float. R^T R is A^T A
// but for some e m |A|^2, which is a small part of the least eigenvalue, so that what R says of k
// holds for A.
bool solve_by_gram(const runtime::Team& team, const TallProblem<float>& problem,
                   const GramSvd& workspace) {
  constexpr double largest_ratio = 0x1p11;
  const Index n = problem.a.cols;
  multiply_by_itself(team, problem.a, workspace.gram);
  if (!find_triangle(team, workspace.gram)) return false;
  const Columns<double> r = workspace.gram.triangle();
  if (!decompose<double, double>(team, {r.data, n, n, 1, r.stride}, workspace.svd)) return false;
  const double* const values = workspace.svd.values;
  if (!(values[0] < largest_ratio * values[n - 1])) return false;
  store_values(team, values, n, *workspace.svd.exponent, problem.values);
  if (problem.left.data == nullptr) return true;
  const Columns<double>& right = workspace.right;
  right_vectors<double>(team, workspace.svd, {right.data, n, n, right.stride, 1});
  const runtime::Range mine = team.share(n);
  store_columns(right, nullptr, PowerOfTwo<double>(0), mine, problem.right);
  const PowerOfTwo<double> scale(*workspace.svd.exponent);
  for (Index k = mine.begin; k < mine.end; ++k) {
    runtime::kernels<double>().vector->scale(scale(1 / values[k]), right[k], n);
  }
  team.barrier();
  multiply_rows<float>(team, problem.a, {right.data, n, n, 1, right.stride},
                       transposed(problem.left), workspace.gram);
  return true;
}

// By the preconditioned A^T A.
struct PreconditionedSvd {
  PreconditionedQr qr;
  DenseSvd<double> svd;  // of R
  Columns<double> left, right;
  MatrixView<double> factor;
  std::byte* gemm;
};

template <class T>
PreconditionedSvd carve_preconditioned_road(Carver& carver, const TallProblem<T>& problem,
                                            int threads) {
  const Index rows = problem.a.rows, cols = problem.a.cols, vectors = problem.left.rows;
  PreconditionedSvd workspace{
      carve_preconditioned_qr<T>(carver, rows, cols, 0, vectors > 0, threads),
      carve_dense_svd<double>(carver, cols, cols, vectors, threads),
      {},
      {},
      {},
      {}};
  if (vectors == 0) return workspace;
  const Index stride = column_stride<double>(cols);
  workspace.left = carver.take_columns<double>(cols, cols);
  workspace.right = carver.take_columns<double>(cols, cols);
  workspace.factor = {carver.take<double>(cols * stride), cols, cols, stride, 1};
  workspace.gemm = carver.take<std::byte>(ops::gemm_workspace<double>(cols, cols, cols, threads));
  return workspace;
}

// A = Q R and R = W S V^T, if Q is orthonormal: where R is singular, or nearly so, its floor says
// more of the last columns than A does. False, and nothing of use written, if not.
template <class T>
bool solve_by_preconditioning(const runtime::Team& team, const TallProblem<T>& problem,
                              const PreconditionedSvd& workspace) {
  // Q is orthogonal to the square of the floor over the least singular value.
  constexpr double least_above_floor = 0x1p26;
  const Index n = problem.a.cols;
  if (!factor<T>(team, problem.a, {}, workspace.qr)) return false;
  const Columns<double>& r = workspace.qr.triangle;
  if (!decompose<double, double>(team, {r.data, n, n, 1, r.stride}, workspace.svd)) return false;
  const double* const values = workspace.svd.values;
  const PowerOfTwo<double> unscale(-*workspace.svd.exponent);
  if (!(unscale(values[n - 1]) >= least_above_floor * workspace.qr.floor())) return false;
  store_values(team, values, n, *workspace.svd.exponent, problem.values);
  if (problem.left.data == nullptr) return true;
  const Columns<double>&left = workspace.left, &right = workspace.right;
  right_vectors<double>(team, workspace.svd, {right.data, n, n, right.stride, 1});
  store_columns(right, nullptr, PowerOfTwo<double>(0), team.share(n), problem.right);
  left_vectors<double>(team, workspace.svd, {left.data, n, n, left.stride, 1});
  const MatrixView<double>& inverse = workspace.qr.second_inverse.inverse;
  ops::Gemm<double> product;
  product.a = {inverse.data, n, n, inverse.row_stride, 1};
  product.b = {left.data, n, n, 1, left.stride};
  product.c = workspace.factor;
  ops::gemm(team, product, workspace.gemm);
  team.barrier();
  multiply_kept<T>(team, workspace.factor, transposed(problem.left), workspace.qr);
  return true;
}

// By products of A with itself: tall matrices of which no more than cols left vectors are wanted.
template <class T>
void attempt_tall(Waiting& waiting, std::span<const SvdProblem<T>> problems) {
  const TallProblem<T> shape(problems.front());
  const Index rows = shape.a.rows, cols = shape.a.cols;
  if (is_for_gram(rows, cols) && cols >= least_dense_cols && shape.left.rows <= cols) {
    const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
    const Cost cost = {10 * n * n + 0.25 * n * n * n + 0.05 * m * n * n, cols};
    if constexpr (std::is_same_v<T, float>) {
      waiting.attempt(
          cost,
          [&](Carver& carver, int threads) { return carve_gram_road(carver, shape, threads); },
          [&](const runtime::Team& team, std::size_t i, const GramSvd& workspace) {
            return solve_by_gram(team, TallProblem<T>(problems[i]), workspace);
          });
    }
    waiting.attempt(
        cost,
        [&](Carver& carver, int threads) {
          return carve_preconditioned_road(carver, shape, threads);
        },
        [&](const runtime::Team& team, std::size_t i, const PreconditionedSvd& workspace) {
          return solve_by_preconditioning(team, TallProblem<T>(problems[i]), workspace);
        });
  }
}

template <class T>
void check(const SvdProblem<T>& problem, const SvdProblem<T>& first) {
  require_shape(problem.a, first.a);
  const Index m = problem.a.rows, n = problem.a.cols, k = std::min(m, n);
  if ((problem.u.data == nullptr) != (first.u.data == nullptr) ||
      (problem.vt.data == nullptr) != (problem.u.data == nullptr)) {
    throw ValueError("u and vt are given for all matrices of a stack, or for none");
  }
  if (problem.u.data != nullptr) {
    if (problem.u.cols != first.u.cols) throw ValueError("a stack's u have different shapes");
    const bool thin =
        problem.u.rows == m && problem.u.cols == k && problem.vt.rows == k && problem.vt.cols == n;
    const bool full =
        problem.u.rows == m && problem.u.cols == m && problem.vt.rows == n && problem.vt.cols == n;
    if (!thin && !full) {
      throw ValueError("u has shape " + base::shape_text({problem.u.rows, problem.u.cols}) +
                       " and vt " + base::shape_text({problem.vt.rows, problem.vt.cols}) +
                       ", but a has shape " + base::shape_text({m, n}));
    }
  }
}

}  // namespace

}  // namespace linalg

template <class T>
void svd(std::span<const SvdProblem<T>> problems) {
  using namespace linalg;
  for (const SvdProblem<T>& problem : problems) check(problem, problems.front());
  if (problems.empty()) return;
  const SvdProblem<T> first = problems.front();
  const Index rows = std::max(first.a.rows, first.a.cols);
  const Index cols = std::min(first.a.rows, first.a.cols);
  if (cols == 0) {
    for (const SvdProblem<T>& problem : problems) {
      if (problem.u.data != nullptr) set_identity(problem.u);
      if (problem.vt.data != nullptr) set_identity(problem.vt);
    }
    return;
  }
  const TallProblem<T> shape(first);
  const Index vectors = shape.left.rows;
  const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
  const auto left = static_cast<double>(vectors);
  Waiting waiting(problems.size());
  attempt_tall(waiting, problems);
  if (pay_lanes<T>(waiting.count(), rows, std::max(cols, vectors))) {
    svd_in_lanes(problems, {50 * n * n + n * n * n + 0.2 * m * n * n, 0}, waiting);
  }
  for (const std::size_t i : waiting.todo()) require_finite(problems[i].a);
  if (cols >= least_float_cols) {
    attempt_dense<T>(waiting, problems);
  } else if (cols >= least_dense_cols) {
    attempt_dense<double>(waiting, problems);
  }
  waiting.attempt(
      {50 * n * n + 2 * n * n * n + 0.2 * m * n * (n + left), 3 * cols},
      [&](Carver& carver, int threads) {
        return carve_jacobi<T>(carver, rows, cols, vectors, threads);
      },
      [&](const runtime::Team& team, std::size_t i, const JacobiWorkspace<T>& workspace) {
        solve_by_jacobi(team, TallProblem<T>(problems[i]), workspace);
        return true;
      });
}

template <class T>
void svd(MatrixView<const T> a, MatrixView<T> u, T* s, MatrixView<T> vt) {
  const SvdProblem<T> problem = {a, u, s, vt};
  svd(std::span<const SvdProblem<T>>(&problem, 1));
}

template void svd<float>(std::span<const SvdProblem<float>>);
template void svd<double>(std::span<const SvdProblem<double>>);
template void svd<float>(MatrixView<const float>, MatrixView<float>, float*, MatrixView<float>);
template void svd<double>(MatrixView<const double>, MatrixView<double>, double*,
                          MatrixView<double>);

}  // namespace unitgain
