#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/certificate.hpp"
#include "linalg/small_stack.hpp"
#include "linalg/stack.hpp"
#include "linalg/svd.hpp"
#include "runtime/dispatch.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

template <class T>
struct PinvWorkspace {
  Decomposition<T> decomposition;
  Columns<T> rows;  // the rows of the pseudoinverse of the tall matrix
};

template <class T>
PinvWorkspace<T> carve(Carver& carver, Index rows, Index cols, int threads) {
  PinvWorkspace<T> workspace;
  workspace.decomposition = carve_decomposition<T>(carver, rows, cols, true, threads);
  workspace.rows = carver.take_columns<T>(rows, cols);
  return workspace;
}

// Column i of `out` becomes the sum over k < rank of J_k W_k[i] / s_k, which is the product
// J diag(1 / s) W^T; rows below J's become zero. Each member does its share of the columns.
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

// Rows of the scaled pseudoinverse, before Q^T, from the singular value decomposition.
template <class T>
void invert_by_svd(const runtime::Team& team, double rcond, const PinvWorkspace<T>& workspace) {
  const Decomposition<T>& parts = workspace.decomposition;
  diagonalize(team, parts);
  const double cutoff = rcond * parts.values[0];
  Index rank = 0;
  while (rank < *parts.rank && parts.values[rank] > cutoff) ++rank;
  multiply_factors(team, parts, rank, workspace.rows);
}

// The pseudoinverse of a tall matrix of S in the arithmetic of T. Returns false, with nothing
// written, if T is float and only double can tell which singular values are above the cutoff.
//
// Where is_certain() holds, no singular value is cut off, and the pseudoinverse is P R^-1 Q^T
// without knowing them.
template <class T, class S>
bool solve(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out, double rcond,
           const PinvWorkspace<T>& workspace) {
  const Decomposition<T>& parts = workspace.decomposition;
  reduce(team, a, parts);
  const double condition = invert_r(team, parts.qr, workspace.rows, parts.squares);
  const bool inverted = is_certain<T>(condition, rcond, a.cols);
  if (!inverted) {
    if (std::is_same_v<T, float> && rcond * largest_condition<T>(a.cols) < 1) return false;
    team.barrier();
    invert_by_svd(team, rcond, workspace);
  }
  apply_q(team, parts.qr, workspace.rows);
  store_columns(workspace.rows, nullptr, PowerOfTwo<T>(*parts.exponent),
                team.share(workspace.rows.count), out);
  return true;
}

// Solves those of a stack that are still marked.
template <class T, class S>
void solve_marked(std::span<const PinvProblem<S>> problems, std::vector<char>& marked) {
  std::vector<std::size_t> todo;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (marked[i]) todo.push_back(i);
  }
  if (todo.empty()) return;
  const MatrixView<const S>& shape = problems.front().a;
  const bool wide = shape.rows < shape.cols;
  const Index rows = std::max(shape.rows, shape.cols);
  const Index cols = std::min(shape.rows, shape.cols);
  const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
  solve_stack(
      static_cast<Index>(todo.size()), Cost{10 * n * n + 0.25 * m * n * n, cols},
      [&](int threads) {
        Carver carver(nullptr);
        carve<T>(carver, rows, cols, threads);
        return carver.used();
      },
      [&](const runtime::Team& team, Index i, std::byte* memory) {
        Carver carver(memory);
        const auto workspace = carve<T>(carver, rows, cols, team.size());
        const std::size_t index = todo[static_cast<std::size_t>(i)];
        const PinvProblem<S>& p = problems[index];
        const bool solved =
            wide ? solve(team, transposed(p.a), transposed(p.out), p.rcond, workspace)
                 : solve(team, p.a, p.out, p.rcond, workspace);
        if (team.rank() == 0) marked[index] = !solved;
      });
}

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
  }
  if (problems.empty() || problems.front().a.rows == 0 || problems.front().a.cols == 0) return;
  std::vector<PinvProblem<T>> rest;
  linalg::pinv_in_lanes(problems, rest);
  problems = rest;
  if (rest.empty()) return;
  std::vector<char> marked(problems.size(), 1);
  linalg::solve_marked<T>(problems, marked);
  if constexpr (std::is_same_v<T, float>) linalg::solve_marked<double>(problems, marked);
}

template <class T>
void pinv(MatrixView<const T> a, MatrixView<T> out, double rcond) {
  const PinvProblem<T> problem = {a, out, rcond};
  pinv(std::span<const PinvProblem<T>>(&problem, 1));
}

template void pinv<float>(std::span<const PinvProblem<float>>);
template void pinv<double>(std::span<const PinvProblem<double>>);
template void pinv<float>(MatrixView<const float>, MatrixView<float>, double);
template void pinv<double>(MatrixView<const double>, MatrixView<double>, double);

}  // namespace unitgain
