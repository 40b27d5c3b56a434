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
#include "linalg/gram.hpp"
#include "linalg/householder.hpp"
#include "linalg/normal_equations.hpp"
#include "linalg/pooled_buffer.hpp"
#include "linalg/preconditioned_qr.hpp"
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

// The triangle that decides, and what solves with it.
struct Triangle {
  Columns<double> r;     // with zeros below
  Columns<double> left;  // R = left diag(values) right^T
  Columns<double> right;
  double* values;
  double* scratch;
};

Triangle carve_triangle(Carver& carver, Index n, Index count) {
  Triangle triangle;
  triangle.r = carver.take_columns<double>(n, n);
  triangle.left = carver.take_columns<double>(n, n);
  triangle.right = carver.take_columns<double>(n, n);
  triangle.values = carver.take<double>(n);
  triangle.scratch = carver.take<double>(n * count);
  return triangle;
}

struct LstsqWorkspace {
  HouseholderQr<double> qr;
  Columns<double> right;  // B, and X after it, at least as long as both
  Triangle triangle;
  int* exponents;  // of the powers of two that A and B were multiplied by
};

LstsqWorkspace carve(Carver& carver, Index rows, Index cols, Index count, int threads) {
  LstsqWorkspace w;
  w.qr = carve_householder<double>(carver, rows, cols, count, threads);
  w.right = carver.take_columns<double>(rows, count);
  w.triangle = carve_triangle(carver, cols, count);
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
    double* const column = w.triangle.r[j];
    std::copy_n(a[j], j + 1, column);
    std::fill(column + j + 1, column + a.count, 0.0);
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

// How R is solved with.
struct Rank {
  Index rank;
  bool by_triangle;  // or by the singular vectors
};

// The singular values of R and, if it has not full rank, the vectors.
Rank find_rank(double rcond, const Triangle& t) {
  const Index n = t.r.count;
  const MatrixView<double> r = view(t.r, n);
  svd<double>({r.data, r.rows, r.cols, r.row_stride, r.col_stride}, {}, t.values, {});
  const Index rank = rank_of(t.values, n, rcond);
  // A triangle as singular as rounding can make it may have a zero on its diagonal.
  const double nearly_singular =
      8 * std::numeric_limits<double>::epsilon() * static_cast<double>(n) * t.values[0];
  if (rank == n && t.values[n - 1] > nearly_singular) return {rank, true};
  svd<double>({r.data, r.rows, r.cols, r.row_stride, r.col_stride}, view(t.left, n), t.values,
              transposed(view(t.right, n)));
  return {rank_of(t.values, n, rcond), false};
}

// x = R^+ x or, transposed, (R^T)^+ x, for right-hand side c.
void solve_with(const Triangle& t, const Rank& rank, bool transposed, Index c, double* x) {
  if (rank.by_triangle) {
    divide_by_triangle(t.r, transposed, x);
  } else {
    multiply_by_inverse(transposed ? t.right : t.left, transposed ? t.left : t.right, t.values,
                        rank.rank, x, t.scratch + c * t.r.count);
  }
}

// X from what reduce() left and the rank.
template <class T>
void finish(const runtime::Team& team, const LstsqProblem<T>& problem, bool wide, const Rank& rank,
            const LstsqWorkspace& w) {
  const Index n = w.triangle.r.count;
  const runtime::Range mine = team.share(w.right.count);
  for (Index c = mine.begin; c < mine.end; ++c) {
    double* const x = w.right[c];
    if (problem.residuals != nullptr) {
      const double tail =
          std::sqrt(runtime::kernels<double>().vector->dot(x + n, x + n, w.right.rows - n));
      const double unscaled = PowerOfTwo<double>(-w.exponents[1])(tail);
      problem.residuals[c] = static_cast<T>(unscaled * unscaled);
    }
    solve_with(w.triangle, rank, wide, c, x);
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

  const Rank rank = find_rank(problem.rcond, w.triangle);
  *problem.rank = rank.rank;
  const PowerOfTwo<double> unscale(-w.exponents[0]);
  for (Index k = 0; k < cols; ++k) problem.s[k] = static_cast<T>(unscale(w.triangle.values[k]));
  runtime::parallel(size, [&](const runtime::Team& team) { finish(team, problem, wide, rank, w); });
}

// ---- tall matrices, by a preconditioned A^T A ----

struct TallWorkspace {
  PreconditionedQr qr;
  GramWorkspace gram;  // for the residual
  Triangle triangle;
};

template <class T>
TallWorkspace carve_tall(Carver& carver, Index rows, Index cols, Index count, int threads) {
  return {carve_preconditioned_qr<T>(carver, rows, cols, count, false, threads),
          carve_gram<T>(carver, rows, cols, count, threads), carve_triangle(carver, cols, count)};
}

// Whether nothing of use was lost in double's range, or was not finite: all are zero, or the
// largest is not too large or small to be squared.
bool are_in_range(const double* values, Index count) {
  const double largest = runtime::kernels<double>().vector->max_abs(values, count);
  return largest == 0 || (largest >= 0x1p-250 && largest <= 0x1p+250);
}

// False if another path must be taken.
template <class T>
bool solve_tall(const LstsqProblem<T>& problem) {
  // Singular values from this many times the floor on are those of A.
  constexpr double least_above_floor = 16;
  const MatrixView<const T>&a = problem.a, &b = problem.b;
  const Index n = a.cols, count = b.cols;
  if (!is_for_gram(a.rows, n) || count > n) return false;
  const double work = 2e3 + 0.06 * static_cast<double>(a.rows * n) * static_cast<double>(n + count);
  const runtime::TeamSize size = runtime::threads_for(work, static_cast<int>(4 + n));
  Carver measure(nullptr);
  carve_tall<T>(measure, a.rows, n, count, size.threads);
  const PooledBuffer memory(measure.used());
  Carver carver(memory.data());
  TallWorkspace w = carve_tall<T>(carver, a.rows, n, count, size.threads);
  bool found = true;
  runtime::parallel(size, [&](const runtime::Team& team) {
    const bool factored = factor(team, a, b, w.qr);
    if (team.rank() == 0) found = factored;
  });
  if (!found || !are_in_range(w.qr.projections, n * count)) return false;
  w.triangle.r = w.qr.triangle;
  const Rank rank = find_rank(problem.rcond, w.triangle);
  const double* const values = w.triangle.values;
  if (rank.rank == 0 || !(values[rank.rank - 1] >= least_above_floor * w.qr.floor())) return false;

  const Columns<double> x = {w.qr.projections, n, count, n};
  for (Index c = 0; c < count; ++c) solve_with(w.triangle, rank, false, c, x[c]);
  runtime::parallel(size,
                    [&](const runtime::Team& team) { project(team, a, b, x, false, w.gram); });
  if (!std::all_of(w.gram.squares, w.gram.squares + count, [](double square) {
        return square == 0 || (square >= 0x1p-500 && square <= 0x1p+500);
      })) {
    return false;
  }
  *problem.rank = rank.rank;
  for (Index k = 0; k < n; ++k) problem.s[k] = static_cast<T>(values[k]);
  if (problem.residuals != nullptr) std::copy_n(w.gram.squares, count, problem.residuals);
  store_columns(x, nullptr, PowerOfTwo<double>(0), {0, count}, transposed(problem.x));
  return true;
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
    } else if (!linalg::solve_by_normal_equations(problem) && !linalg::solve_tall(problem)) {
      linalg::require_finite(problem.a);
      linalg::require_finite(problem.b, "b");
      linalg::solve(problem);
    }
  }
}

template void lstsq<float>(std::span<const LstsqProblem<float>>);
template void lstsq<double>(std::span<const LstsqProblem<double>>);

}  // namespace unitgain
