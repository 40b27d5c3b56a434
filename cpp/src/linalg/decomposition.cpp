#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/shape_text.hpp"
#include "linalg/svd.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

template <class T>
std::optional<Entry> find_non_finite(MatrixView<const T> a) {
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) {
      if (!std::isfinite(a.data[i * a.row_stride + j * a.col_stride])) return Entry{i, j};
    }
  }
  return std::nullopt;
}

namespace linalg {

namespace {

// Rows and columns of a square that is copied at a time, so that both its rows and its columns stay
// in the first-level cache.
constexpr Index tile = 16;

// Column k of `lower` is row k of R P^T: the columns of R were never moved, so that the right
// singular vectors come out in A's own order of columns.
template <class T>
void load_rows_of_r(const PivotedQr<T>& qr, runtime::Range range, Columns<T> lower) {
  std::fill_n(lower[range.begin], range.size() * lower.stride, T(0));
  const Index end = std::min(range.end, *qr.steps);
  for (Index step = range.begin; step < lower.count; ++step) {
    const Index j = qr.order[step];
    const T* column = qr.columns[j];
    for (Index k = range.begin; k < std::min(step, end); ++k) lower[k][j] = column[k];
    if (step < end) lower[step][j] = qr.diagonal[step];
  }
}

// Sorts the singular values and scales the columns of `right` to unit length.
template <class T>
void finish(const runtime::Team& team, const Decomposition<T>& result) {
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const Index n = result.right.count;
  if (team.rank() == 0) {
    Index rank = 0;
    for (Index j = 0; j < n; ++j) {
      result.order[j] = j;
      if (result.squares[j] < negligible_square<T>) {
        result.squares[j] = 0;
      } else {
        ++rank;
      }
    }
    std::sort(result.order, result.order + n, [&](Index i, Index j) {
      return result.squares[i] != result.squares[j] ? result.squares[i] > result.squares[j] : i < j;
    });
    for (Index k = 0; k < n; ++k) {
      result.values[k] = static_cast<T>(std::sqrt(result.squares[result.order[k]]));
    }
    *result.rank = rank;
  }
  team.barrier();
  const runtime::Range mine = team.share(n);
  for (Index k = mine.begin; k < mine.end; ++k) {
    const T factor = k < *result.rank ? 1 / result.values[k] : 0;
    vector.scale(factor, result.right[result.order[k]], padded<T>(n));
  }
  team.barrier();
}

}  // namespace

template <class T>
PowerOfTwo<T>::PowerOfTwo(int exponent)
    : first(std::ldexp(T(1), exponent / 2)), second(std::ldexp(T(1), exponent - exponent / 2)) {}

template <class T>
T largest_entry(MatrixView<const T> a) {
  if (a.row_stride == 1) a = transposed(a);
  T largest = 0;
  for (Index i = 0; i < a.rows; ++i) {
    const T* row = a.data + i * a.row_stride;
    if (a.col_stride == 1) {
      const T in_row = runtime::kernels<T>().vector->max_abs(row, a.cols);
      if (!(in_row <= largest)) largest = in_row;
    } else {
      for (Index j = 0; j < a.cols; ++j) {
        const T magnitude = std::abs(row[j * a.col_stride]);
        if (!(magnitude <= largest)) largest = magnitude;
      }
    }
    if (!std::isfinite(largest)) return std::numeric_limits<T>::quiet_NaN();
  }
  return largest;
}

template <class T>
void require_shape(MatrixView<const T> a, MatrixView<const T> first) {
  if (a.rows == first.rows && a.cols == first.cols) return;
  throw ValueError("a has shape " + base::shape_text({a.rows, a.cols}) +
                   ", but its stack's first has " + base::shape_text({first.rows, first.cols}));
}

template <class T>
void require_finite(MatrixView<const T> a, const char* name) {
  if (!std::isnan(largest_entry(a))) return;
  const Entry entry = *find_non_finite(a);
  const T value = a.data[entry.row * a.row_stride + entry.col * a.col_stride];
  std::string message = name;
  message += '[';
  message += std::to_string(entry.row) + ", " + std::to_string(entry.col) + "] is ";
  throw LinAlgError(message + std::to_string(value) + ", but every entry must be finite");
}

template <class S, class T>
void load_columns(MatrixView<const S> a, int exponent, runtime::Range range, Columns<T> columns) {
  const PowerOfTwo<T> factor(exponent);
  for (Index j0 = range.begin; j0 < range.end; j0 += tile) {
    const Index j1 = std::min(j0 + tile, range.end);
    for (Index i0 = 0; i0 < a.rows; i0 += tile) {
      const Index i1 = std::min(i0 + tile, a.rows);
      for (Index j = j0; j < j1; ++j) {
        const S* from = a.data + j * a.col_stride;
        for (Index i = i0; i < i1; ++i) {
          columns[j][i] = factor(static_cast<T>(from[i * a.row_stride]));
        }
      }
    }
  }
}

template <class T>
int scaling_exponent(double largest) {
  constexpr int low = std::is_same_v<T, float> ? -4 : -200, high = scaled_exponent<T>;
  if (!(largest > 0)) return 0;
  const int exponent = std::ilogb(largest);
  return exponent < low || exponent > high ? -exponent : 0;
}

template <class T, class S>
void store_columns(Columns<T> columns, const Index* order, PowerOfTwo<T> factor,
                   runtime::Range range, MatrixView<S> out) {
  for (Index k0 = range.begin; k0 < range.end; k0 += tile) {
    const Index k1 = std::min(k0 + tile, range.end);
    for (Index i0 = 0; i0 < out.cols; i0 += tile) {
      const Index i1 = std::min(i0 + tile, out.cols);
      for (Index k = k0; k < k1; ++k) {
        const T* from = columns[order == nullptr ? k : order[k]];
        S* to = out.data + k * out.row_stride;
        for (Index i = i0; i < i1; ++i) to[i * out.col_stride] = static_cast<S>(factor(from[i]));
      }
    }
  }
}

template <class T>
Decomposition<T> carve_decomposition(Carver& carver, Index rows, Index cols, bool vectors,
                                     int threads) {
  Decomposition<T> result;
  result.qr = carve_qr<T>(carver, rows, cols);
  result.right = carver.take_columns<T>(cols, cols);
  result.left = {nullptr, cols, cols, 0};
  if (vectors) result.left = carver.take_columns<T>(cols, cols);
  result.values = carver.take<T>(cols);
  result.order = carver.take<Index>(cols);
  result.rank = carver.take<Index>(1);
  result.exponent = carver.take<int>(1);
  result.squares = carver.take<double>(2 * cols);
  result.records = carver.take<SweepRecord>(2 * threads);
  return result;
}

template <class S, class T>
void reduce(const runtime::Team& team, MatrixView<const S> a, const Decomposition<T>& result) {
  if (team.rank() == 0) {
    const S largest = largest_entry(a);
    *result.exponent = largest > 0 ? scaled_exponent<T> - std::ilogb(largest) : 0;
  }
  team.barrier();
  load_columns(a, *result.exponent, team.share(a.cols), result.qr.columns);
  team.barrier();
  factor(team, result.qr);
}

template <class T>
void diagonalize(const runtime::Team& team, const Decomposition<T>& result) {
  const runtime::Range mine = team.share(result.right.count);
  // Pivoting sorts and grades R, and the columns of R^T are far closer to orthogonal than A's:
  // Drmac and Veselic, "New fast and accurate Jacobi SVD algorithm", 2008.
  load_rows_of_r(result.qr, mine, result.right);
  if (result.left.data != nullptr) {
    std::fill_n(result.left[mine.begin], mine.size() * result.left.stride, T(0));
    for (Index j = mine.begin; j < mine.end; ++j) result.left[j][j] = 1;
  }
  team.barrier();
  orthogonalize<T>(team, {result.right, result.left, result.squares, result.records});
  finish(team, result);
}

#define UNITGAIN_INSTANTIATE(T)                                                                   \
  template struct PowerOfTwo<T>;                                                                  \
  template T largest_entry<T>(MatrixView<const T>);                                               \
  template void require_shape<T>(MatrixView<const T>, MatrixView<const T>);                       \
  template void require_finite<T>(MatrixView<const T>, const char*);                              \
  template Decomposition<T> carve_decomposition<T>(Carver&, Index, Index, bool, int);             \
  template void reduce<T, T>(const runtime::Team&, MatrixView<const T>, const Decomposition<T>&); \
  template int scaling_exponent<T>(double);                                                       \
  template void load_columns<T, T>(MatrixView<const T>, int, runtime::Range, Columns<T>);         \
  template void diagonalize<T>(const runtime::Team&, const Decomposition<T>&);                    \
  template void store_columns<T, T>(Columns<T>, const Index*, PowerOfTwo<T>, runtime::Range,      \
                                    MatrixView<T>);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

template void reduce<float, double>(const runtime::Team&, MatrixView<const float>,
                                    const Decomposition<double>&);
template void load_columns<float, double>(MatrixView<const float>, int, runtime::Range,
                                          Columns<double>);
template void store_columns<double, float>(Columns<double>, const Index*, PowerOfTwo<double>,
                                           runtime::Range, MatrixView<float>);

}  // namespace linalg

template std::optional<Entry> find_non_finite<float>(MatrixView<const float>);
template std::optional<Entry> find_non_finite<double>(MatrixView<const double>);

}  // namespace unitgain
