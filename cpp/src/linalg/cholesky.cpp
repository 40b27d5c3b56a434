// Cholesky by blocks of columns, from the left: each block takes what all columns before it have to
// say in one product, is factored, and divides the rows below by its triangle.
#include "linalg/cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/shape_text.hpp"
#include "linalg/stack.hpp"
#include "linalg/svd.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

// Columns to a block: fewer leave more of the work to inner products, more make the products of the
// first blocks shallow.
constexpr Index block = 64;

// Rows [begin, end) of L's columns from `first` on, up to `width` or the diagonal: from what the
// products left, l_ij = (a_ij - l_i . l_j) / l_jj. Four rows at a time share what they read of the
// triangle. Returns the first row whose diagonal element is not the root of a positive number, or
// -1.
template <class T>
Index divide(const MatrixView<T>& lower, Index first, Index width, Index begin, Index end) {
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const auto row = [&](Index i) { return lower.data + i * lower.row_stride + first; };
  const bool diagonal = begin == first;
  const Index group = diagonal ? 1 : 4;
  for (Index i = begin; i < end; i += group) {
    const Index count = std::min(group, end - i);
    T* rows[4];
    for (Index l = 0; l < 4; ++l) rows[l] = row(i + std::min(l, count - 1));
    const Index columns = diagonal ? i - first : width;
    for (Index j = 0; j < columns; ++j) {
      T dots[4];
      const T* const pivot = row(first + j);
      if (diagonal) {
        dots[0] = vector.dot(rows[0], pivot, j);
      } else {
        vector.dot4(rows, pivot, j, dots);
      }
      for (Index l = 0; l < count; ++l) rows[l][j] = (rows[l][j] - dots[l]) / pivot[j];
    }
    if (!diagonal) continue;
    const T square = rows[0][columns] - vector.dot(rows[0], rows[0], columns);
    if (!(square > 0)) return i;
    rows[0][columns] = std::sqrt(square);
  }
  return -1;
}

}  // namespace

template <class T>
CholeskyWorkspace<T> carve_cholesky(Carver& carver, Index n, int threads) {
  const Index stride = column_stride<T>(n);
  CholeskyWorkspace<T> workspace = {{carver.take<T>(n * stride), n, n, stride, 1}, nullptr};
  Index bytes = 0;
  for (Index k = block; k < n; k += block) {
    bytes = std::max(bytes, ops::gemm_workspace<T>(n - k, std::min(block, n - k), k, threads));
  }
  workspace.gemm = carver.take<std::byte>(bytes);
  return workspace;
}

template <class T>
void factor(const runtime::Team& team, const CholeskyWorkspace<T>& workspace, Index* failed) {
  const MatrixView<T>& lower = workspace.lower;
  const Index n = lower.rows;
  for (Index first = 0; first < n; first += block) {
    const Index width = std::min(block, n - first);
    if (first > 0) {
      T* const rows = lower.data + first * lower.row_stride;
      ops::Gemm<T> product;
      product.a = {rows, n - first, first, lower.row_stride, 1};
      product.b = {rows, first, width, 1, lower.row_stride};
      product.c = {rows + first, n - first, width, lower.row_stride, 1};
      product.alpha = -1;
      product.beta = 1;
      ops::gemm(team, product, workspace.gemm);
      team.barrier();
    }
    if (team.rank() == 0) *failed = divide(lower, first, width, first, first + width) + 1;
    team.barrier();
    if (*failed > 0) return;
    const runtime::Range mine = team.share(n - first - width);
    const Index below = first + width;
    if (mine.size() > 0) divide(lower, first, width, below + mine.begin, below + mine.end);
    team.barrier();
  }
}

namespace {

template <class T>
void solve(const runtime::Team& team, const CholeskyProblem<T>& problem,
           const CholeskyWorkspace<T>& workspace) {
  const MatrixView<T>& lower = workspace.lower;
  const MatrixView<const T>& a = problem.a;
  const MatrixView<T>& out = problem.out;
  const runtime::Range mine = team.share(a.rows);
  for (Index i = mine.begin; i < mine.end; ++i) {
    T* const to = lower.data + i * lower.row_stride;
    for (Index j = 0; j <= i; ++j) to[j] = a.data[i * a.row_stride + j * a.col_stride];
    // The product of a block takes its square whole.
    std::fill(to + i + 1, to + a.cols, T(0));
  }
  team.barrier();
  factor(team, workspace, problem.failed);
  if (*problem.failed > 0) return;
  for (Index i = mine.begin; i < mine.end; ++i) {
    const T* const from = lower.data + i * lower.row_stride;
    for (Index j = 0; j < a.cols; ++j) {
      out.data[i * out.row_stride + j * out.col_stride] = j <= i ? from[j] : T(0);
    }
  }
}

template <class T>
void check(const CholeskyProblem<T>& problem, const CholeskyProblem<T>& first) {
  const MatrixView<const T>& a = problem.a;
  require_shape(a, first.a);
  if (a.rows != a.cols || problem.out.rows != a.rows || problem.out.cols != a.cols) {
    throw ValueError("out has shape " + base::shape_text({problem.out.rows, problem.out.cols}) +
                     ", but a has shape " + base::shape_text({a.rows, a.cols}));
  }
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j <= i; ++j) {
      // require_finite() finds this entry or one before it.
      if (!std::isfinite(a.data[i * a.row_stride + j * a.col_stride])) {
        require_finite<T>({a.data + i * a.row_stride, 1, j + 1, a.row_stride, a.col_stride});
      }
    }
  }
}

}  // namespace

#define UNITGAIN_INSTANTIATE(T)                                         \
  template CholeskyWorkspace<T> carve_cholesky<T>(Carver&, Index, int); \
  template void factor<T>(const runtime::Team&, const CholeskyWorkspace<T>&, Index*);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace linalg

template <class T>
void cholesky(std::span<const CholeskyProblem<T>> problems) {
  using namespace linalg;
  for (const CholeskyProblem<T>& problem : problems) check(problem, problems.front());
  if (problems.empty()) return;
  const Index rows = problems.front().a.rows;
  const auto n = static_cast<double>(rows);
  std::vector<Index> orders(problems.size(), 0);
  if (rows > 0) {
    solve_stack(
        static_cast<Index>(problems.size()),
        Cost{2 * n * n + 0.02 * n * n * n, 3 * (rows / block + 1)},
        [&](int threads) {
          Carver carver(nullptr);
          carve_cholesky<T>(carver, rows, threads);
          return carver.used();
        },
        [&](const runtime::Team& team, Index i, std::byte* memory) {
          Carver carver(memory);
          CholeskyProblem<T> problem = problems[static_cast<std::size_t>(i)];
          problem.failed = &orders[static_cast<std::size_t>(i)];
          solve(team, problem, carve_cholesky<T>(carver, rows, team.size()));
        });
  }
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (problems[i].failed != nullptr) {
      *problems[i].failed = orders[i];
    } else if (orders[i] > 0) {
      std::string message = "a is not positive definite: its leading minor of order ";
      throw LinAlgError(message + std::to_string(orders[i]) + " is not positive");
    }
  }
}

template void cholesky<float>(std::span<const CholeskyProblem<float>>);
template void cholesky<double>(std::span<const CholeskyProblem<double>>);

}  // namespace unitgain
