#include "linalg/svd.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/small_stack.hpp"
#include "linalg/stack.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

// What one SVD needs beside the decomposition: the left vectors at their full length, and, to
// complete the right vectors of null singular values, a QR decomposition of the others.
template <class T>
struct SvdWorkspace {
  Decomposition<T> decomposition;
  Columns<T> tall;
  PivotedQr<T> completion;
};

template <class T>
SvdWorkspace<T> carve(Carver& carver, Index rows, Index cols, Index left_vectors, int threads) {
  SvdWorkspace<T> workspace;
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
void store_left(const runtime::Team& team, const SvdWorkspace<T>& workspace, MatrixView<T> out) {
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
void store_right(const runtime::Team& team, const SvdWorkspace<T>& workspace, MatrixView<T> out) {
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

// a is tall, left_out and right_out have the left and right singular vectors as rows. Jacobi is the
// one method so far, and the one that any other would fall back to: it has an answer for every
// matrix.
template <class T>
void solve(const runtime::Team& team, MatrixView<const T> a, MatrixView<T> left_out, T* s,
           MatrixView<T> right_out, const SvdWorkspace<T>& workspace) {
  const Decomposition<T>& parts = workspace.decomposition;
  reduce(team, a, parts);
  diagonalize(team, parts);
  if (team.rank() == 0) {
    const PowerOfTwo<T> unscale(-*parts.exponent);
    for (Index k = 0; k < a.cols; ++k) s[k] = unscale(parts.values[k]);
  }
  if (left_out.data == nullptr) return;
  store_left(team, workspace, left_out);
  team.barrier();
  store_right(team, workspace, right_out);
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
  const bool wide = first.a.rows < first.a.cols;
  const Index rows = std::max(first.a.rows, first.a.cols);
  const Index cols = std::min(first.a.rows, first.a.cols);
  if (cols == 0) {
    for (const SvdProblem<T>& problem : problems) {
      if (problem.u.data != nullptr) set_identity(problem.u);
      if (problem.vt.data != nullptr) set_identity(problem.vt);
    }
    return;
  }
  std::vector<SvdProblem<T>> rest;
  svd_in_lanes(problems, rest);
  problems = rest;
  if (rest.empty()) return;
  const Index left_vectors = first.u.data == nullptr ? 0 : wide ? first.vt.rows : first.u.cols;
  const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
  const auto left = static_cast<double>(left_vectors);
  const Cost cost = {50 * n * n + 2 * n * n * n + 0.2 * m * n * (n + left), 3 * cols};
  solve_stack(
      static_cast<Index>(problems.size()), cost,
      [&](int threads) {
        Carver carver(nullptr);
        carve<T>(carver, rows, cols, left_vectors, threads);
        return carver.used();
      },
      [&](const runtime::Team& team, Index i, std::byte* memory) {
        Carver carver(memory);
        const auto workspace = carve<T>(carver, rows, cols, left_vectors, team.size());
        const SvdProblem<T>& p = problems[static_cast<std::size_t>(i)];
        if (wide) {
          solve(team, transposed(p.a), p.vt, p.s, transposed(p.u), workspace);
        } else {
          solve(team, p.a, transposed(p.u), p.s, p.vt, workspace);
        }
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
