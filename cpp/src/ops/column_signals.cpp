#include "ops/column_signals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/activation.hpp"
#include "ops/grain.hpp"

namespace unitgain::ops {

namespace {

constexpr Index chunk = 64;

double* row_of(double* sums, ColumnSum which, Index cols) {
  return sums + static_cast<Index>(which) * cols;
}

// A number in [-1, 1) for each row: Steele, Lea and Flood's mixing of its index (SplitMix64,
// OOPSLA 2014).
double row_weight(Index row) {
  std::uint64_t z = (static_cast<std::uint64_t>(row) + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>(static_cast<std::int64_t>(z ^ (z >> 31))) * 0x1p-63;
}

}  // namespace

template <class T>
void column_signals(const runtime::Team& team, MatrixView<const T> x, double* sums) {
  const Index cols = x.cols;
  const runtime::Range part = team.share(cols, column_grain<double>);
  for (Index first = part.begin; first < part.end; first += chunk) {
    const Index count = std::min(chunk, part.end - first);
    std::array<double, chunk> sum{}, squares{}, projection{}, zeros{};
    std::array<T, chunk> smallest, largest;
    smallest.fill(std::numeric_limits<T>::infinity());
    largest.fill(-std::numeric_limits<T>::infinity());
    for (Index i = 0; i < x.rows; ++i) {
      const T* row = x.data + i * x.row_stride + first;
      const double weight = row_weight(i);
      for (Index j = 0; j < count; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const double value = static_cast<double>(row[j]);
        sum[at] += value;
        squares[at] += value * value;
        projection[at] += weight * value;
        zeros[at] += row[j] == T{0} ? 1.0 : 0.0;
        smallest[at] = row[j] < smallest[at] ? row[j] : smallest[at];
        largest[at] = row[j] > largest[at] ? row[j] : largest[at];
      }
    }
    std::copy_n(sum.data(), count, row_of(sums, ColumnSum::sum, cols) + first);
    std::copy_n(squares.data(), count, row_of(sums, ColumnSum::squares, cols) + first);
    std::copy_n(projection.data(), count, row_of(sums, ColumnSum::projection, cols) + first);
    std::copy_n(zeros.data(), count, row_of(sums, ColumnSum::zeros, cols) + first);
    std::copy_n(smallest.data(), count, row_of(sums, ColumnSum::smallest, cols) + first);
    std::copy_n(largest.data(), count, row_of(sums, ColumnSum::largest, cols) + first);
    std::fill_n(row_of(sums, ColumnSum::saturated, cols) + first, count, 0.0);
  }
}

template <class T>
void count_saturated(const runtime::Team& team, const ActivationSpec& activation, double limit,
                     MatrixView<const T> x, double* saturated) {
  std::array<T, chunk> ones, slopes;
  ones.fill(T{1});
  const runtime::Range part = team.share(x.cols, column_grain<double>);
  for (Index i = 0; i < x.rows; ++i) {
    for (Index first = part.begin; first < part.end; first += chunk) {
      const Index count = std::min(chunk, part.end - first);
      activation_gradient_at_input<T>(runtime::Team(), activation,
                                      x.data + i * x.row_stride + first, ones.data(), slopes.data(),
                                      count);
      for (Index j = 0; j < count; ++j) {
        const double slope = std::abs(static_cast<double>(slopes[static_cast<std::size_t>(j)]));
        saturated[first + j] += slope <= limit ? 1.0 : 0.0;
      }
    }
  }
}

template <class T>
double saturated_slope(const ActivationSpec& activation) {
  constexpr Index points = 601;
  std::array<T, points> x, ones, slopes;
  ones.fill(T{1});
  for (Index i = 0; i < points; ++i) {
    x[static_cast<std::size_t>(i)] = static_cast<T>(static_cast<double>(i - points / 2) / 100);
  }
  activation_gradient_at_input<T>(runtime::Team(), activation, x.data(), ones.data(), slopes.data(),
                                  points);
  double largest = 0;
  for (const T slope : slopes) {
    largest = std::max(largest, std::abs(static_cast<double>(slope)));
  }
  return largest / 100;
}

template <class T>
void histogram(MatrixView<const T> x, double smallest, double largest, Index bins, double* counts) {
  std::fill_n(counts, bins, 0.0);
  const double width = largest - smallest;
  if (!std::isfinite(width)) return;
  const double scale = width > 0 ? static_cast<double>(bins) / width : 0.0;
  for (Index i = 0; i < x.rows; ++i) {
    for (Index j = 0; j < x.cols; ++j) {
      const auto value = static_cast<double>(x.data[i * x.row_stride + j * x.col_stride]);
      if (!std::isfinite(value)) continue;
      const auto bin = static_cast<Index>((value - smallest) * scale);
      counts[std::clamp<Index>(bin, 0, bins - 1)] += 1;
    }
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                      \
  template void column_signals(const runtime::Team&, MatrixView<const T>, double*);  \
  template void count_saturated(const runtime::Team&, const ActivationSpec&, double, \
                                MatrixView<const T>, double*);                       \
  template double saturated_slope<T>(const ActivationSpec&);                         \
  template void histogram(MatrixView<const T>, double, double, Index, double*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
