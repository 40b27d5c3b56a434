// The QR decomposition of the public API, by the blocked reflectors of householder.hpp.
#include <algorithm>

#include "base/shape_text.hpp"
#include "linalg/householder.hpp"
#include "linalg/stack.hpp"
#include "linalg/svd.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

template <class T>
struct QrWorkspace {
  HouseholderQr<T> qr;
  Columns<T> vectors;
  int* exponent;
};

template <class T>
QrWorkspace<T> carve(Carver& carver, Index rows, Index cols, Index vectors, int threads) {
  QrWorkspace<T> workspace;
  workspace.qr = carve_householder<T>(carver, rows, cols, vectors, threads);
  workspace.exponent = carver.take<int>(1);
  if (vectors > 0) workspace.vectors = carver.take_columns<T>(rows, vectors);
  return workspace;
}

// r with its reflectors, or with zeros in their place.
template <class T>
void store_r(const runtime::Team& team, const QrProblem<T>& problem,
             const QrWorkspace<T>& workspace) {
  const Columns<T>& columns = workspace.qr.q.tails;
  const PowerOfTwo<T> unscale(-*workspace.exponent);
  const MatrixView<T>& r = problem.r;
  const runtime::Range mine = team.share(r.cols);
  store_columns<T, T>(columns, nullptr, unscale, mine, transposed(r));
  for (Index j = mine.begin; j < mine.end; ++j) {
    for (Index i = j + 1; i < r.rows; ++i) {
      r.data[i * r.row_stride + j * r.col_stride] = problem.tau == nullptr ? 0 : columns[j][i];
    }
  }
  if (problem.tau != nullptr && team.rank() == 0) {
    std::copy_n(workspace.qr.q.tau, workspace.qr.q.count(), problem.tau);
  }
}

template <class T>
void store_q(const runtime::Team& team, MatrixView<T> q, const QrWorkspace<T>& workspace) {
  const Columns<T>& vectors = workspace.vectors;
  const runtime::Range mine = team.share(vectors.count);
  for (Index j = mine.begin; j < mine.end; ++j) {
    std::fill_n(vectors[j], vectors.rows, T(0));
    vectors[j][j] = 1;
  }
  team.barrier();
  const MatrixView<T> rows = {vectors.data, vectors.count, vectors.rows, vectors.stride, 1};
  apply_q(team, workspace.qr.q, false, rows, workspace.qr.block, true);
  store_columns<T, T>(vectors, nullptr, PowerOfTwo<T>(0), mine, transposed(q));
}

template <class T>
void solve(const runtime::Team& team, const QrProblem<T>& problem,
           const QrWorkspace<T>& workspace) {
  if (team.rank() == 0) *workspace.exponent = scaling_exponent<T>(largest_entry(problem.a));
  team.barrier();
  load_columns(problem.a, *workspace.exponent, team.share(problem.a.cols), workspace.qr.q.tails);
  team.barrier();
  factor(team, workspace.qr);
  store_r(team, problem, workspace);
  if (problem.q.data != nullptr) store_q(team, problem.q, workspace);
}

template <class T>
void check(const QrProblem<T>& problem, const QrProblem<T>& first) {
  require_shape(problem.a, first.a);
  const Index m = problem.a.rows, n = problem.a.cols, k = std::min(m, n);
  const MatrixView<T>&q = problem.q, &r = problem.r;
  const bool has_q = q.data != nullptr;
  const bool thin = r.rows == k && r.cols == n && (!has_q || (q.rows == m && q.cols == k));
  const bool full = r.rows == m && r.cols == n && (!has_q || (q.rows == m && q.cols == m));
  if (has_q != (first.q.data != nullptr) || q.cols != first.q.cols || (!thin && !full) ||
      (problem.tau != nullptr && !full)) {
    throw ValueError("q has shape " + base::shape_text({q.rows, q.cols}) + " and r " +
                     base::shape_text({r.rows, r.cols}) + ", but a has shape " +
                     base::shape_text({m, n}));
  }
  require_finite(problem.a);
}

template <class T>
void set_identity(MatrixView<T> a) {
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) a.data[i * a.row_stride + j * a.col_stride] = i == j;
  }
}

}  // namespace

}  // namespace linalg

template <class T>
void qr(std::span<const QrProblem<T>> problems) {
  using namespace linalg;
  for (const QrProblem<T>& problem : problems) check(problem, problems.front());
  if (problems.empty()) return;
  const QrProblem<T>& first = problems.front();
  const Index rows = first.a.rows, cols = first.a.cols;
  const Index vectors = first.q.data == nullptr ? 0 : first.q.cols;
  if (rows == 0 || cols == 0) {
    for (const QrProblem<T>& problem : problems) set_identity(problem.q);
    return;
  }
  const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
  const auto k = static_cast<double>(std::min(rows, cols)), v = static_cast<double>(vectors);
  solve_stack(
      static_cast<Index>(problems.size()),
      Cost{3 * m * n + 0.05 * m * k * (n + v), 2 * std::min(rows, cols)},
      [&](int threads) {
        Carver carver(nullptr);
        carve<T>(carver, rows, cols, vectors, threads);
        return carver.used();
      },
      [&](const runtime::Team& team, Index i, std::byte* memory) {
        Carver carver(memory);
        solve(team, problems[static_cast<std::size_t>(i)],
              carve<T>(carver, rows, cols, vectors, team.size()));
      });
}

template void qr<float>(std::span<const QrProblem<float>>);
template void qr<double>(std::span<const QrProblem<double>>);

}  // namespace unitgain
