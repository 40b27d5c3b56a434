// The normal equations R^T R x = A^T b of a tall matrix, R from the Cholesky decomposition of A^T
// A: products alone, at half the operations of a QR decomposition, and A is read twice.
//
// Their loss, and why it does not matter here. Let e be double's epsilon and k the condition
// of A, which is known from the singular values of R.
// - R is that of a matrix within some e k |A| of A, and so are its singular values: their largest
//   error is k times that of a QR decomposition. Hence the bound on k for double. For float, e k^2
//   is below float's epsilon, and each singular value is right to the last bit.
// - x from R is off by e k^2 of itself. The residual b - A x, formed from A, and one more solution
//   with it leave e k^2 of that error, and what the rounding of the residual does, which is what a
//   QR decomposition leaves: Bjorck, "Stability analysis of the method of seminormal equations for
//   linear least squares problems", 1987.
// - The k of the computed R is A's: R^T R is A^T A but for some e m |A|^2 at most, where
//   the least eigenvalue is at least |A|^2 / 2^22.
#include "linalg/normal_equations.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "linalg/gram.hpp"
#include "linalg/pooled_buffer.hpp"
#include "linalg/triangle.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// The largest condition number, see above.
template <class T>
constexpr double largest_ratio = std::is_same_v<T, float> ? 0x1p11 : 0x1p5;

// By so much the bound of the condition may be larger than the condition.
constexpr double room = 4;

// Between passes over A, columns whose residual has shrunk by more are left to another.
constexpr double negligible_step = 0x1p-20;

template <class T>
struct Workspace {
  GramWorkspace gram;
  GramInverse inverse;
  Columns<double> x;
  double* step;
  double* residuals;
  double* values;
};

template <class T>
Workspace<T> carve(Carver& carver, Index rows, Index cols, Index count, int threads) {
  return {carve_gram<T>(carver, rows, cols, count, threads),
          carve_gram_inverse(carver, cols, threads),
          carver.take_columns<double>(cols, count),
          carver.take<double>(cols),
          carver.take<double>(count),
          carver.take<double>(cols)};
}

// x += R^-1 R^-T A^T (b - A x), from what project() found of b - A x, for each column. The residual
// of the new x is b - A x less its part in the range of A, of length |R^-T A^T (b - A x)|. Returns
// the largest part that was taken off.
template <class T>
double correct(const Workspace<T>& w, bool first) {
  const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
  const Columns<double> r = w.gram.triangle();
  const Index n = r.count;
  double largest = 0;
  for (Index c = 0; c < w.x.count; ++c) {
    std::copy_n(w.gram.projections + c * n, n, w.step);
    divide_by_triangle(r, true, w.step);
    const double square = w.gram.squares[c], taken = vector.dot(w.step, w.step, n);
    w.residuals[c] = std::max(square - taken, 0.0);
    if (square > 0) largest = std::max(largest, taken / square);
    divide_by_triangle(r, false, w.step);
    if (first) std::fill_n(w.x[c], n, 0.0);
    vector.add(w.x[c], w.step, w.x[c], n);
  }
  return largest;
}

bool are_measured(const double* squares, Index count) {
  // As a column of A, see find_triangle(), but that all of b may be zero.
  return std::all_of(squares, squares + count, [](double square) {
    return square == 0 || (square >= 0x1p-500 && square <= 0x1p+500);
  });
}

}  // namespace

template <class T>
bool solve_by_normal_equations(const LstsqProblem<T>& problem) {
  const MatrixView<const T>&a = problem.a, &b = problem.b;
  const Index n = a.cols, count = b.cols;
  if (!is_for_gram(a.rows, n) || count > n) return false;
  const double work = 2e3 + 0.05 * static_cast<double>(a.rows * n) * static_cast<double>(n + count);
  const runtime::TeamSize size = runtime::threads_for(work, static_cast<int>(4 + n / 16));
  Carver measure(nullptr);
  carve<T>(measure, a.rows, n, count, size.threads);
  const PooledBuffer memory(measure.used());
  Carver carver(memory.data());
  const Workspace<T> w = carve<T>(carver, a.rows, n, count, size.threads);

  bool found = true;
  runtime::parallel(size, [&](const runtime::Team& team) {
    bool has_triangle = false;
    if (!is_hopeless(team, a, room * largest_ratio<T>, w.gram, w.inverse)) {
      project(team, a, b, {}, true, w.gram);
      has_triangle = find_triangle(team, w.gram);
    }
    if (team.rank() == 0) found = has_triangle && are_measured(w.gram.squares, count);
  });
  if (!found) return false;
  const Columns<double> r = w.gram.triangle();
  svd<double>({r.data, n, n, 1, r.stride}, {}, w.values, {});
  const double ratio = w.values[0] / w.values[n - 1];
  // The factor leaves room for the rounding of the ratio.
  if (!(ratio < largest_ratio<T> && 1.125 * problem.rcond * ratio < 1)) return false;

  double taken = correct(w, true);
  // In float, x is right as it is, and so is a residual that is large against e k^2 |b|^2.
  const double enough = std::is_same_v<T, float> ? 1 - 0x1p-24 * ratio * ratio : 0;
  for (int pass = 0; pass < 2 && taken > (pass == 0 ? enough : negligible_step); ++pass) {
    runtime::parallel(size,
                      [&](const runtime::Team& team) { project(team, a, b, w.x, false, w.gram); });
    taken = correct(w, false);
  }

  *problem.rank = n;
  for (Index k = 0; k < n; ++k) problem.s[k] = static_cast<T>(w.values[k]);
  for (Index c = 0; c < count; ++c) {
    if (problem.residuals != nullptr) problem.residuals[c] = static_cast<T>(w.residuals[c]);
    for (Index i = 0; i < n; ++i) {
      problem.x.data[i * problem.x.row_stride + c * problem.x.col_stride] =
          static_cast<T>(w.x[c][i]);
    }
  }
  return true;
}

template bool solve_by_normal_equations<float>(const LstsqProblem<float>&);
template bool solve_by_normal_equations<double>(const LstsqProblem<double>&);

}  // namespace unitgain::linalg
