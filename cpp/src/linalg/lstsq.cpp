// Least squares, where the normal equations will not do, by QR: A = Q R of the tall matrix, be it A
// or its transpose, and the singular values of R, which are A's. They say the rank. Full rank needs
// no more than a triangular solution; else R's pseudoinverse comes from its singular vectors.
//
// All of it is in double, for float matrices too, as NumPy's is: what a least-squares solution
// loses is the condition number times epsilon, and up to the condition squared where the residual
// is large.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/householder.hpp"
#include "linalg/normal_equations.hpp"
#include "linalg/pooled_buffer.hpp"
#include "linalg/stack.hpp"
#include "linalg/svd.hpp"
#include "linalg/triangle.hpp"
#include "runtime/dispatch.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

struct LstsqWorkspace {
  HouseholderQr<double> qr;
  Columns<double> right;  // B, and X after it, at least as long as both
  Columns<double> r;      // R, with zeros below
  Columns<double> left;   // R = left diag(s) right_vectors
  Columns<double> right_vectors;
  double* values;
  double* scratch;
  int* exponents;  // of the powers of two that A and B were multiplied by
};

LstsqWorkspace carve(Carver& carver, Index rows, Index cols, Index count, int threads) {
  LstsqWorkspace w;
  w.qr = carve_householder<double>(carver, rows, cols, count, threads);
  w.right = carver.take_columns<double>(rows, count);
  w.r = carver.take_columns<double>(cols, cols);
  w.left = carver.take_columns<double>(cols, cols);
  w.right_vectors = carver.take_columns<double>(cols, cols);
  w.values = carver.take<double>(cols);
  w.scratch = carver.take<double>(cols * count);
  w.exponents = carver.take<int>(2);
  return w;
}

MatrixView<double> view(const Columns<double>& columns, Index rows) {
  return {columns.data, rows, columns.count, 1, columns.stride};
}

// Q, R and, for tall A, Q^T B.
template <class T>
void reduce(const runtime::Team& team, const LstsqProblem<T>& problem, bool wide,
            const LstsqWorkspace& w) {
  if (team.rank() == 0) {
    w.exponents[0] = scaling_exponent<double>(largest_entry(problem.a));
    w.exponents[1] = scaling_exponent<double>(largest_entry(problem.b));
  }
  team.barrier();
  const Columns<double>& a = w.qr.q.tails;
  load_columns(wide ? transposed(problem.a) : problem.a, w.exponents[0], team.share(a.count), a);
  load_columns(problem.b, w.exponents[1], team.share(problem.b.cols), w.right);
  team.barrier();
  factor(team, w.qr);
  const runtime::Range mine = team.share(a.count);
  for (Index j = mine.begin; j < mine.end; ++j) {
    std::copy_n(a[j], j + 1, w.r[j]);
    std::fill(w.r[j] + j + 1, w.r[j] + a.count, 0.0);
  }
  if (!wide) {
    apply_q<double>(team, w.qr.q, true,
                    {w.right.data, w.right.count, w.right.rows, w.right.stride, 1}, w.qr.block);
  }
}

// x = V diag(1 / s) U^T x of the leading `rank` vectors; U and V as columns.
void multiply_by_inverse(const Columns<double>& u, const Columns<double>& v, const double* s,
                         Index rank, double* x, double* scratch) {
  const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
  for (Index k = 0; k < rank; ++k) scratch[k] = vector.dot(u[k], x, u.rows) / s[k];
  std::fill_n(x, v.rows, 0.0);
  for (Index k = 0; k < rank; ++k) vector.axpy(scratch[k], v[k], x, v.rows);
}

// X from what reduce() left and the rank.
template <class T>
void finish(const runtime::Team& team, const LstsqProblem<T>& problem, bool wide, Index rank,
            bool by_triangle, const LstsqWorkspace& w) {
  const Index n = w.r.count;
  const runtime::Range mine = team.share(w.right.count);
  for (Index c = mine.begin; c < mine.end; ++c) {
    double* const x = w.right[c];
    if (problem.residuals != nullptr) {
      const double tail =
          std::sqrt(runtime::kernels<double>().vector->dot(x + n, x + n, w.right.rows - n));
      const double unscaled = PowerOfTwo<double>(-w.exponents[1])(tail);
      problem.residuals[c] = static_cast<T>(unscaled * unscaled);
    }
    if (by_triangle) {
      divide_by_triangle(w.r, wide, x);
    } else {
      const Columns<double>&u = wide ? w.right_vectors : w.left,
            &v = wide ? w.left : w.right_vectors;
      multiply_by_inverse(u, v, w.values, rank, x, w.scratch + c * n);
    }
    if (wide) std::fill(x + n, x + w.right.rows, 0.0);
  }
  team.barrier();
  if (wide) {
    apply_q<double>(team, w.qr.q, false,
                    {w.right.data, w.right.count, w.right.rows, w.right.stride, 1}, w.qr.block);
  }
  store_columns(w.right, nullptr, PowerOfTwo<double>(w.exponents[0] - w.exponents[1]), mine,
                transposed(problem.x));
}

template <class T>
void solve(const LstsqProblem<T>& problem) {
  const Index m = problem.a.rows, n = problem.a.cols, count = problem.b.cols;
  const bool wide = m < n;
  const Index rows = std::max(m, n), cols = std::min(m, n);
  const double work = 2e3 + 0.1 * static_cast<double>(rows * cols) * static_cast<double>(cols);
  const runtime::TeamSize size = runtime::threads_for(work, static_cast<int>(2 * cols));
  Carver measure(nullptr);
  carve(measure, rows, cols, count, size.threads);
  const PooledBuffer memory(measure.used());
  Carver carver(memory.data());
  const LstsqWorkspace w = carve(carver, rows, cols, count, size.threads);
  runtime::parallel(size, [&](const runtime::Team& team) { reduce(team, problem, wide, w); });

  const MatrixView<double> r = view(w.r, cols);
  svd<double>({r.data, r.rows, r.cols, r.row_stride, r.col_stride}, {}, w.values, {});
  Index rank = 0;
  while (rank < cols && w.values[rank] > problem.rcond * w.values[0]) ++rank;
  // A triangle as singular as rounding can make it may have a zero on its diagonal.
  const double nearly_singular =
      8 * std::numeric_limits<double>::epsilon() * static_cast<double>(cols) * w.values[0];
  const bool by_triangle = rank == cols && w.values[cols - 1] > nearly_singular;
  if (!by_triangle) {
    svd<double>({r.data, r.rows, r.cols, r.row_stride, r.col_stride}, view(w.left, cols), w.values,
                transposed(view(w.right_vectors, cols)));
    rank = 0;
    while (rank < cols && w.values[rank] > problem.rcond * w.values[0]) ++rank;
  }
  *problem.rank = rank;
  const PowerOfTwo<double> unscale(-w.exponents[0]);
  for (Index k = 0; k < cols; ++k) problem.s[k] = static_cast<T>(unscale(w.values[k]));
  runtime::parallel(
      size, [&](const runtime::Team& team) { finish(team, problem, wide, rank, by_triangle, w); });
}

// Without rows or columns x is 0, and without columns all of b is left.
template <class T>
void solve_empty(const LstsqProblem<T>& problem) {
  *problem.rank = 0;
  const MatrixView<T>& x = problem.x;
  const MatrixView<const T>& b = problem.b;
  for (Index j = 0; j < x.cols; ++j) {
    for (Index i = 0; i < x.rows; ++i) x.data[i * x.row_stride + j * x.col_stride] = 0;
    double sum = 0;
    for (Index i = 0; i < b.rows; ++i) {
      const double value = b.data[i * b.row_stride + j * b.col_stride];
      sum += value * value;
    }
    if (problem.residuals != nullptr) problem.residuals[j] = static_cast<T>(sum);
  }
}

template <class T>
void check(const LstsqProblem<T>& problem, const LstsqProblem<T>& first) {
  require_shape(problem.a, first.a);
  const MatrixView<const T>&a = problem.a, &b = problem.b;
  if (b.rows != a.rows || problem.x.rows != a.cols || problem.x.cols != b.cols) {
    throw ValueError("b has shape " + base::shape_text({b.rows, b.cols}) + " and x " +
                     base::shape_text({problem.x.rows, problem.x.cols}) + ", but a has shape " +
                     base::shape_text({a.rows, a.cols}));
  }
}

}  // namespace

}  // namespace linalg

template <class T>
void lstsq(std::span<const LstsqProblem<T>> problems) {
  for (const LstsqProblem<T>& problem : problems) linalg::check(problem, problems.front());
  for (const LstsqProblem<T>& problem : problems) {
    if (problem.a.rows == 0 || problem.a.cols == 0) {
      linalg::solve_empty(problem);
    } else if (!linalg::solve_by_normal_equations(problem)) {
      linalg::require_finite(problem.a);
      linalg::require_finite(problem.b, "b");
      linalg::solve(problem);
    }
  }
}

template void lstsq<float>(std::span<const LstsqProblem<float>>);
template void lstsq<double>(std::span<const LstsqProblem<double>>);

}  // namespace unitgain
