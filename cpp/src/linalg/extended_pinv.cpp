#include "linalg/extended_pinv.hpp"

#include <algorithm>
#include <cmath>

namespace unitgain::linalg {

namespace {

using Real = long double;

// A X and X A are off by the cosines that are left, times the condition number.
constexpr Real tolerance = 2 * std::numeric_limits<Real>::epsilon();
constexpr int most_sweeps = 60;

Real dot(const Real* x, const Real* y, Index n) {
  Real sum = 0;
  for (Index i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// The sums of the squares of what they become.
struct Squares {
  Real first = 0, second = 0;
};

Squares turn(Real* x, Real* y, Index n, Real c, Real s) {
  Squares squares;
  for (Index i = 0; i < n; ++i) {
    const Real first = c * x[i] - s * y[i], second = s * x[i] + c * y[i];
    squares.first += first * first;
    squares.second += second * second;
    x[i] = first;
    y[i] = second;
  }
  return squares;
}

// Makes columns p < q orthogonal, the longer one first. The formulas, and what is recorded, are
// those of Sweep::rotate in jacobi_svd.cpp.
void rotate(const ExtendedPinv& parts, Index p, Index q, SweepRecord& record) {
  const Columns<Real>&x = parts.x, &v = parts.v;
  Real &first = parts.squares[p], &second = parts.squares[q];
  if (first == 0 || second == 0) {
    if (second == 0) return;
    std::swap_ranges(x[p], x[p] + x.rows, x[q]);
    std::swap_ranges(v[p], v[p] + v.rows, v[q]);
    std::swap(first, second);
    return;
  }
  const Real product = dot(x[p], x[q], x.rows);
  const Real square = product * product / (first * second);
  if (!(square > tolerance * tolerance)) return;
  const Real zeta = (second - first) / (2 * product);
  const Real tangent = std::copysign(1 / (std::abs(zeta) + std::hypot(Real(1), zeta)), zeta);
  Real c = 1 / std::hypot(Real(1), tangent), s = c * tangent;
  if (tangent * product > 0) {  // the second would become the longer
    const Real sine = s;
    s = -c;
    c = sine;
  }
  const Real ratio = first > second ? first / second : second / first;
  record.cosine = std::max(record.cosine, static_cast<double>(std::sqrt(square)));
  record.movement =
      std::max(record.movement, static_cast<double>(std::abs(tangent) * std::sqrt(ratio)));
  const Squares squares = turn(x[p], x[q], x.rows, c, s);
  turn(v[p], v[q], v.rows, c, s);
  first = squares.first;
  second = squares.second;
}

// V, orthogonal in double, becomes V (3 I - V^T V) / 2, which is so in extended precision: Newton's
// iteration for the nearest orthogonal matrix.
void orthogonalize(const Columns<double>& given, const Index* order, const Columns<Real>& v) {
  const Index n = v.count;
  for (Index j = 0; j < n; ++j) std::copy_n(given[order[j]], n, v[j]);
  Real weights[least_dense_cols];
  for (Index j = 0; j < n; ++j) {
    for (Index k = 0; k < n; ++k) {
      Real sum = k == j ? 3 : 0;
      for (Index i = 0; i < n; ++i) sum -= Real(given[order[k]][i]) * given[order[j]][i];
      weights[k] = sum / 2;
    }
    std::fill_n(v[j], n, Real(0));
    for (Index k = 0; k < n; ++k) {
      for (Index i = 0; i < n; ++i) v[j][i] += weights[k] * given[order[k]][i];
    }
  }
}

void set_identity(const Columns<Real>& v) {
  for (Index j = 0; j < v.count; ++j) {
    std::fill_n(v[j], v.rows, Real(0));
    v[j][j] = 1;
  }
}

}  // namespace

ExtendedPinv carve_extended_pinv(Carver& carver, Index rows, Index cols) {
  return {carver.take_columns<Real>(rows, cols), carver.take_columns<Real>(cols, cols),
          carver.take<Real>(cols)};
}

void invert_in_extended(MatrixView<const double> a, const Decomposition<double>& found,
                        double rcond, MatrixView<double> out, const ExtendedPinv& parts) {
  const Columns<Real>&x = parts.x, &v = parts.v;
  Real* const squares = parts.squares;
  const Index n = a.cols;
  // W has no vectors of null singular values.
  if (*found.rank == n) {
    orthogonalize(found.right, found.order, v);
  } else {
    set_identity(v);
  }
  const Real scale = std::ldexp(Real(1), *found.exponent);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < a.rows; ++i) {
      const double* row = a.data + i * a.row_stride;
      Real sum = 0;
      for (Index k = 0; k < n; ++k) sum += row[k * a.col_stride] * v[j][k];
      x[j][i] = scale * sum;
    }
    squares[j] = dot(x[j], x[j], a.rows);
  }
  for (int sweep = 0; sweep < most_sweeps; ++sweep) {
    SweepRecord record = {0, 0};
    for (Index p = 0; p < n; ++p) {
      for (Index q = p + 1; q < n; ++q) rotate(parts, p, q, record);
    }
    if (2 * static_cast<double>(n) * record.cosine * record.movement <= tolerance) break;
  }
  // V diag(1 / s^2) (A V)^T, over the values that are kept.
  const Real cutoff = rcond * std::sqrt(*std::max_element(squares, squares + n));
  for (Index k = 0; k < n; ++k) {
    const Real factor = std::sqrt(squares[k]) > cutoff ? scale / squares[k] : 0;
    for (Index i = 0; i < n; ++i) v[k][i] *= factor;
  }
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < a.rows; ++j) {
      Real sum = 0;
      for (Index k = 0; k < n; ++k) sum += v[k][i] * x[k][j];
      out.data[i * out.row_stride + j * out.col_stride] = static_cast<double>(sum);
    }
  }
}

}  // namespace unitgain::linalg
