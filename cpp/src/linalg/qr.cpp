#include "linalg/qr.hpp"

#include <cmath>
#include <limits>

#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// A column that has been eliminated, in the array of squared norms.
template <class T>
constexpr T eliminated = -1;

template <class T>
Index longest_column(const T* squares, Index count) {
  Index longest = 0;
  for (Index j = 1; j < count; ++j) {
    if (squares[j] > squares[longest]) longest = j;
  }
  return longest;
}

// H = I - factor v v^T maps a column x onto diagonal * e_0. v is x but for its first element:
// nothing is stored, so that every thread of a team can compute this for itself.
template <class T>
struct Reflector {
  T diagonal;
  T head;
  T factor;

  Reflector(T first, T square) {
    const T norm = std::sqrt(square);
    diagonal = first > 0 ? -norm : norm;
    head = first - diagonal;
    factor = -1 / (diagonal * head);
  }
};

template <class T>
ReflectorGroup<T> group_reflectors(const PivotedQr<T>& qr, Index first) {
  constexpr Index size = reflector_group;
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const Index rows = qr.columns.rows - first;
  const Index tail_rows = std::max<Index>(rows - size, 0);
  ReflectorGroup<T> group = {};
  for (Index j = 0; j < size; ++j) {
    if (first + j >= *qr.steps) {
      // Fewer than four are left: its row and column of t stay zero.
      group.tail[j] = group.tail[0];
      continue;
    }
    const T* column = qr.columns[qr.order[first + j]] + first;
    group.top[j][j] = qr.head[first + j];
    for (Index i = j + 1; i < std::min(size, rows); ++i) group.top[i][j] = column[i];
    group.tail[j] = column + size;
    const T factor = qr.factor[first + j];
    T overlap[size];  // V^T v_j
    for (Index i = 0; i < j; ++i) {
      overlap[i] = vector.dot(group.tail[i], group.tail[j], tail_rows);
      for (Index row = j; row < size; ++row) overlap[i] += group.top[row][i] * group.top[row][j];
    }
    for (Index i = 0; i < j; ++i) {
      for (Index l = i; l < j; ++l) group.t[i][j] -= group.t[i][l] * overlap[l] * factor;
    }
    group.t[j][j] = factor;
  }
  return group;
}

// x -= V t V^T x, where x starts at the group's first row.
template <class T>
void apply_group(const simd::VectorKernels<T>& vector, const ReflectorGroup<T>& group, T* x,
                 Index rows) {
  constexpr Index size = reflector_group;
  const Index top_rows = std::min(size, rows);
  T dots[size];
  vector.dot4(group.tail, x + size, std::max<Index>(rows - size, 0), dots);
  for (Index j = 0; j < size; ++j) {
    for (Index i = j; i < top_rows; ++i) dots[j] += group.top[i][j] * x[i];
  }
  T weights[size] = {};
  for (Index i = 0; i < size; ++i) {
    for (Index j = i; j < size; ++j) weights[i] -= group.t[i][j] * dots[j];
  }
  for (Index i = 0; i < top_rows; ++i) {
    for (Index j = 0; j <= i; ++j) x[i] += group.top[i][j] * weights[j];
  }
  vector.axpy4(weights, group.tail, x + size, std::max<Index>(rows - size, 0));
}

}  // namespace

template <class T>
PivotedQr<T> carve_qr(Carver& carver, Index rows, Index count) {
  PivotedQr<T> qr;
  qr.columns = carver.take_columns<T>(rows, count);
  qr.order = carver.take<Index>(count);
  qr.diagonal = carver.take<T>(count);
  qr.head = carver.take<T>(count);
  qr.factor = carver.take<T>(count);
  qr.squares = carver.take<T>(2 * count);
  qr.groups = carver.take<ReflectorGroup<T>>((count + reflector_group - 1) / reflector_group);
  qr.steps = carver.take<Index>(1);
  return qr;
}

template <class T>
void factor(const runtime::Team& team, const PivotedQr<T>& qr) {
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const Columns<T>& columns = qr.columns;
  // Two generations of squared norms: a fast thread writes the next while a slow one still reads
  // the last, so that one barrier a step is enough. The norms are summed anew while a column is
  // updated; there is no downdating that could cancel.
  T* now = qr.squares;
  T* next = qr.squares + columns.count;
  for (Index j = team.rank(); j < columns.count; j += team.size()) {
    now[j] = vector.dot(columns[j], columns[j], columns.rows);
  }
  team.barrier();
  Index k = 0;
  for (; k < columns.count; ++k, std::swap(now, next)) {
    const Index pivot = longest_column(now, columns.count);
    if (now[pivot] < std::numeric_limits<T>::min()) break;
    const T* tail = columns[pivot] + k + 1;
    const Index tail_rows = columns.rows - k - 1;
    const Reflector<T> reflector(columns[pivot][k], now[pivot]);
    if (team.rank() == 0) {
      qr.order[k] = pivot;
      qr.diagonal[k] = reflector.diagonal;
      qr.head[k] = reflector.head;
      qr.factor[k] = reflector.factor;
    }
    for (Index j = team.rank(); j < columns.count; j += team.size()) {
      if (j == pivot || now[j] == eliminated<T>) {
        next[j] = eliminated<T>;
        continue;
      }
      T* x = columns[j] + k;
      const T product = reflector.head * x[0] + vector.dot(tail, x + 1, tail_rows);
      const T weight = -reflector.factor * product;
      x[0] += weight * reflector.head;
      next[j] = vector.axpy_squares(weight, tail, x + 1, tail_rows);
    }
    team.barrier();
  }
  if (team.rank() == 0) {
    *qr.steps = k;
    for (Index j = 0; j < columns.count; ++j) {
      if (now[j] != eliminated<T>) qr.order[k++] = j;
    }
  }
  team.barrier();
  const Index groups = (*qr.steps + reflector_group - 1) / reflector_group;
  for (Index g = team.rank(); g < groups; g += team.size()) {
    qr.groups[g] = group_reflectors(qr, g * reflector_group);
  }
  team.barrier();
}

template <class T>
void apply_q(const runtime::Team& team, const PivotedQr<T>& qr, Columns<T> x) {
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const runtime::Range mine = team.share(x.count);
  // A group's four tails stay in the first-level cache while the columns of x pass by.
  for (Index g = (*qr.steps + reflector_group - 1) / reflector_group - 1; g >= 0; --g) {
    const Index first = g * reflector_group;
    for (Index j = mine.begin; j < mine.end; ++j) {
      apply_group(vector, qr.groups[g], x[j] + first, x.rows - first);
    }
  }
}

template <class T>
double invert_r(const runtime::Team& team, const PivotedQr<T>& qr, Columns<T> inverse,
                double* squares) {
  constexpr Index group = 4;
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const Index n = qr.columns.count;
  if (*qr.steps < n) return std::numeric_limits<double>::infinity();
  // Rows four at a time, from z_i R = e_i: each element is one inner product with a column of R.
  // The first rows are the longest, so that they are dealt out in turn.
  for (Index first = team.rank() * group; first < n; first += team.size() * group) {
    const Index count = std::min(group, n - first);
    T* rows[group];
    for (Index i = 0; i < group; ++i) {
      rows[i] = inverse[qr.order[first + std::min(i, count - 1)]];
      std::fill_n(rows[i], inverse.rows, T(0));
    }
    for (Index j = first; j < n; ++j) {
      const T* column = qr.columns[qr.order[j]];
      const T* starts[group] = {rows[0] + first, rows[1] + first, rows[2] + first, rows[3] + first};
      T sums[group];
      vector.dot4(starts, column + first, j - first, sums);
      for (Index i = 0; i < count; ++i) {
        rows[i][j] = ((first + i == j) - sums[i]) / qr.diagonal[j];
      }
    }
    for (Index i = 0; i < count; ++i) {
      const T diagonal = qr.diagonal[first + i];
      const T* column = qr.columns[qr.order[first + i]];
      squares[first + i] = vector.dot(column, column, first + i) + diagonal * diagonal;
      squares[n + first + i] = vector.dot(rows[i], rows[i], n);
    }
  }
  team.barrier();
  double r_square = 0, inverse_square = 0;
  for (Index i = 0; i < n; ++i) {
    r_square += squares[i];
    inverse_square += squares[n + i];
  }
  return std::sqrt(r_square) * std::sqrt(inverse_square);
}

#define UNITGAIN_INSTANTIATE(T)                                                                \
  template PivotedQr<T> carve_qr<T>(Carver&, Index, Index);                                    \
  template void factor<T>(const runtime::Team&, const PivotedQr<T>&);                          \
  template double invert_r<T>(const runtime::Team&, const PivotedQr<T>&, Columns<T>, double*); \
  template void apply_q<T>(const runtime::Team&, const PivotedQr<T>&, Columns<T>);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
