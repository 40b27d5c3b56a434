#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/certificate.hpp"
#include "linalg/householder.hpp"
#include "linalg/small_stack.hpp"
#include "linalg/stack.hpp"
#include "linalg/svd.hpp"
#include "linalg/triangle.hpp"
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

// The pseudoinverse of a tall matrix by its singular values. Returns false, with nothing written,
// if T is float and only double can tell which singular values are above the cutoff.
template <class T, class S>
bool solve(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out, double rcond,
           const PinvWorkspace<T>& workspace) {
  const Decomposition<T>& parts = workspace.decomposition;
  if (std::is_same_v<T, float> && rcond * largest_condition<T>(a.cols) < 1) return false;
  reduce(team, a, parts);
  invert_by_svd(team, rcond, workspace);
  apply_q(team, parts.qr, workspace.rows);
  store_columns(workspace.rows, nullptr, PowerOfTwo<T>(*parts.exponent),
                team.share(workspace.rows.count), out);
  return true;
}

// What the road by way of R^-1 needs.
template <class T>
struct TriangleWorkspace {
  HouseholderQr<T> qr;
  TriangleInverse<T> triangle;
  Columns<T> rows;  // the rows of the pseudoinverse; data is null if they are made in place
  int* exponent;
};

template <class T>
TriangleWorkspace<T> carve_triangle(Carver& carver, Index rows, Index cols, bool in_place,
                                    int threads) {
  TriangleWorkspace<T> workspace;
  workspace.qr = carve_householder<T>(carver, rows, cols, threads);
  workspace.triangle = carve_triangle_inverse<T>(carver, cols, threads);
  workspace.exponent = carver.take<int>(1);
  workspace.rows = {nullptr, rows, cols, 0};
  if (!in_place) workspace.rows = carver.take_columns<T>(rows, cols);
  return workspace;
}

// The pseudoinverse of a tall matrix of S in the arithmetic of T, if it can be had without singular
// values; false, and nothing of use written, if not.
//
// Where is_certain() holds, no singular value is cut off, and the pseudoinverse is R^-1 Q^T without
// knowing them.
template <class T, class S>
bool invert_by_triangle(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                        double rcond, const TriangleWorkspace<T>& workspace) {
  const Columns<T>& columns = workspace.qr.q.tails;
  if (team.rank() == 0) *workspace.exponent = scaling_exponent<T>(largest_entry(a));
  team.barrier();
  load_columns(a, *workspace.exponent, team.share(a.cols), columns);
  team.barrier();
  factor(team, workspace.qr);
  const double condition = invert(team, columns, workspace.triangle);
  if (!is_certain<T>(condition, rcond, a.cols)) return false;

  MatrixView<T> rows = {workspace.rows.data, a.cols, a.rows, workspace.rows.stride, 1};
  if constexpr (std::is_same_v<S, T>) {
    if (rows.data == nullptr) rows = out;
  }
  const runtime::Range mine = team.share(a.cols);
  const MatrixView<T>& inverse = workspace.triangle.inverse;
  for (Index i = mine.begin; i < mine.end; ++i) {
    T* row = rows.data + i * rows.row_stride;
    std::copy_n(inverse.data + i * inverse.row_stride, a.cols, row);
    std::fill(row + a.cols, row + a.rows, T(0));
  }
  team.barrier();
  apply_q(team, workspace.qr.q, false, rows, workspace.qr.block);
  const PowerOfTwo<T> factor_of_a(*workspace.exponent);
  if (workspace.rows.data != nullptr) {
    store_columns(workspace.rows, nullptr, factor_of_a, mine, out);
  } else if (*workspace.exponent != 0) {
    const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
    for (Index i = mine.begin; i < mine.end; ++i) {
      vector.scale(factor_of_a.first, rows.data + i * rows.row_stride, a.rows);
      vector.scale(factor_of_a.second, rows.data + i * rows.row_stride, a.rows);
    }
  }
  return true;
}

// Where a stack's problems stand: their common shape, and those that wait for an answer.
template <class S>
struct Stack {
  std::span<const PinvProblem<S>> problems;
  std::vector<char> waiting;
  bool wide;
  Index rows, cols;  // of the tall matrices

  explicit Stack(std::span<const PinvProblem<S>> all)
      : problems(all),
        waiting(all.size(), 1),
        wide(all.front().a.rows < all.front().a.cols),
        rows(std::max(all.front().a.rows, all.front().a.cols)),
        cols(std::min(all.front().a.rows, all.front().a.cols)) {}

  MatrixView<S> out(std::size_t i) const {
    return wide ? transposed(problems[i].out) : problems[i].out;
  }

  // Calls try_one(team, a, out, rcond, workspace) for each problem that waits; those for which it
  // returns true do no longer.
  template <class Carve, class Try>
  void attempt(Cost cost, Carve&& carve_workspace, Try&& try_one) {
    std::vector<std::size_t> todo;
    for (std::size_t i = 0; i < problems.size(); ++i) {
      if (waiting[i]) todo.push_back(i);
    }
    if (todo.empty()) return;
    solve_stack(
        static_cast<Index>(todo.size()), cost,
        [&](int threads) {
          Carver carver(nullptr);
          carve_workspace(carver, threads);
          return carver.used();
        },
        [&](const runtime::Team& team, Index i, std::byte* memory) {
          Carver carver(memory);
          const auto workspace = carve_workspace(carver, team.size());
          const std::size_t index = todo[static_cast<std::size_t>(i)];
          const PinvProblem<S>& p = problems[index];
          const MatrixView<const S> a = wide ? transposed(p.a) : p.a;
          const bool solved = try_one(team, a, out(index), p.rcond, workspace);
          if (team.rank() == 0) waiting[index] = !solved;
        });
  }
};

template <class T, class S>
void attempt_triangle(Stack<S>& stack) {
  const auto m = static_cast<double>(stack.rows), n = static_cast<double>(stack.cols);
  bool in_place = std::is_same_v<S, T>;
  for (std::size_t i = 0; i < stack.problems.size(); ++i) {
    in_place = in_place && stack.out(i).col_stride == 1;
  }
  stack.attempt(
      Cost{3 * n * n + 0.1 * m * n * n, 2 * stack.cols},
      [&](Carver& carver, int threads) {
        return carve_triangle<T>(carver, stack.rows, stack.cols, in_place, threads);
      },
      [](const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out, double rcond,
         const TriangleWorkspace<T>& workspace) {
        return invert_by_triangle<T, S>(team, a, out, rcond, workspace);
      });
}

template <class T, class S>
void attempt_svd(Stack<S>& stack) {
  const auto m = static_cast<double>(stack.rows), n = static_cast<double>(stack.cols);
  stack.attempt(
      Cost{10 * n * n + 0.25 * m * n * n, stack.cols},
      [&](Carver& carver, int threads) {
        return carve<T>(carver, stack.rows, stack.cols, threads);
      },
      [](const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out, double rcond,
         const PinvWorkspace<T>& workspace) {
        return solve<T, S>(team, a, out, rcond, workspace);
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
    if (problem.method != problems.front().method) {
      throw ValueError("a stack's pseudoinverses have different methods");
    }
  }
  if (problems.empty() || problems.front().a.rows == 0 || problems.front().a.cols == 0) return;
  const bool by_svd = problems.front().method == PinvMethod::svd;
  std::vector<PinvProblem<T>> rest;
  linalg::pinv_in_lanes(problems, rest);
  if (rest.empty()) return;
  linalg::Stack<T> stack(rest);
  if (!by_svd) {
    linalg::attempt_triangle<T, T>(stack);
    if constexpr (std::is_same_v<T, float>) linalg::attempt_triangle<double, T>(stack);
  }
  linalg::attempt_svd<T, T>(stack);
  if constexpr (std::is_same_v<T, float>) linalg::attempt_svd<double, T>(stack);
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
