#include "ops/distances.hpp"

#include <algorithm>
#include <limits>

#include "ops/gemm.hpp"
#include "ops/gemm_blocks.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/cluster.hpp"
#include "simd/kernels/gemm.hpp"

namespace unitgain::ops {

namespace {

constexpr const char* purpose = "distances to cluster centres";
constexpr Index block_bytes = 128 << 10;

template <class T>
constexpr Index line_values = static_cast<Index>(64 / sizeof(T));

// A line more than the values need: rows a power of two apart would share a few sets of the cache.
template <class T>
Index padded(Index values) {
  return round_up(values, line_values<T>) + line_values<T>;
}

// The products can tell two distances apart that differ by more than this times ||x||^2 + ||c||^2
// of the farther centre: each is off by as much, and (a + b)^2 <= 2 (a^2 + b^2).
template <class T>
T margin_share(Index cols) {
  return T{4} * product_error<T>(cols);
}

constexpr Index rows_ahead = 6;

template <class T>
void fetch_row(const MatrixView<const T>& x, Index row) {
  const T* values = x.data + row * x.row_stride;
  const Index count = std::min(x.cols, 8 * line_values<T>);
  for (Index j = 0; j < count; j += line_values<T>) __builtin_prefetch(values + j);
}

}  // namespace

template <class T>
PackedCenters<T>::PackedCenters(Index clusters, Index cols)
    : clusters_(clusters),
      cols_(cols),
      shift_(cols, purpose),
      centered_(clusters * cols, purpose),
      squares_(clusters, purpose),
      panels_(round_up(clusters, runtime::kernels<T>().gemm->nr) * cols, purpose) {}

template <class T>
void PackedCenters<T>::take(const runtime::Team& team, const MatrixView<const T>& centers) {
  const runtime::Range columns = team.share(cols_, line_values<T>);
  for (Index j = columns.begin; j < columns.end; ++j) {
    double sum = 0;
    for (Index i = 0; i < clusters_; ++i) {
      sum += static_cast<double>(centers.data[i * centers.row_stride + j * centers.col_stride]);
    }
    shift_[j] = static_cast<T>(sum / static_cast<double>(clusters_));
  }
  team.barrier();
  const Index nr = runtime::kernels<T>().gemm->nr;
  const runtime::Range mine = team.share(clusters_, nr);
  if (mine.size() > 0) {
    T* own = centered_.data() + mine.begin * cols_;
    runtime::kernels<T>().cluster->center(
        centers.data + mine.begin * centers.row_stride, centers.row_stride, centers.col_stride,
        shift_.data(), mine.size(), cols_, own, cols_, squares_.data() + mine.begin);
    runtime::kernels<T>().gemm->pack_b(own, 1, cols_, cols_, mine.size(),
                                       panels_.data() + mine.begin * cols_);
  }
  team.barrier();
}

template <class T>
T PackedCenters<T>::largest_square() const {
  return *std::max_element(squares_.begin(), squares_.end());
}

template <class T>
Index SampleBlock<T>::most_rows(Index clusters, Index cols) {
  const Index mr = runtime::kernels<T>().gemm->mr;
  const Index row_bytes = (padded<T>(cols) + padded<T>(clusters)) * static_cast<Index>(sizeof(T));
  return std::max(std::min(block_bytes / row_bytes, most_block_rows) / mr * mr, mr);
}

template <class T>
SampleBlock<T>::SampleBlock(Index clusters, Index cols)
    : sample_stride_(padded<T>(cols)), product_stride_(padded<T>(clusters)) {
  const Index rows = most_rows(clusters, cols);
  samples_ = base::AlignedBuffer<T>(rows * sample_stride_, purpose);
  squares_ = base::AlignedBuffer<T>(rows, purpose);
  products_ = base::AlignedBuffer<T>(rows * product_stride_, purpose);
}

template <class T>
void SampleBlock<T>::load(const MatrixView<const T>& x, Index first, Index rows, const T* shift,
                          const std::int32_t* order) {
  const auto center = runtime::kernels<T>().cluster->center;
  rows_ = rows;
  if (order == nullptr) {
    center(x.data + first * x.row_stride, x.row_stride, x.col_stride, shift, rows, x.cols,
           samples_.data(), sample_stride_, squares_.data());
    return;
  }
  for (Index i = 0; i < rows; ++i) {
    // Rows that lie apart, which no hardware prefetcher foresees.
    if (i + rows_ahead < rows) fetch_row(x, order[first + i + rows_ahead]);
    center(x.data + order[first + i] * x.row_stride, x.row_stride, x.col_stride, shift, 1, x.cols,
           samples_.data() + i * sample_stride_, sample_stride_, squares_.data() + i);
  }
}

template <class T>
void SampleBlock<T>::multiply(const PackedCenters<T>& centers, Index first, Index count) {
  multiply_rows(centers, 0, rows_, first, count);
}

template <class T>
void SampleBlock<T>::multiply_rows(const PackedCenters<T>& centers, Index row, Index rows,
                                   Index first, Index count) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index cols = centers.cols();
  for (Index j = 0; j < count; j += kernels.nr) {
    const Index n = std::min(kernels.nr, count - j);
    for (Index i = row; i < row + rows; i += kernels.mr) {
      kernels.tile(cols, samples_.data() + i * sample_stride_, sample_stride_, 1,
                   {centers.panels() + (first + j) * cols, simd::packed_panel, nullptr, nullptr, 0},
                   T{1}, T{0}, products_.data() + i * product_stride_ + j, product_stride_,
                   std::min(kernels.mr, row + rows - i), n);
    }
  }
}

template <class T>
void SampleBlock<T>::load_row(const MatrixView<const T>& x, Index sample, Index row,
                              const PackedCenters<T>& centers) {
  runtime::kernels<T>().cluster->center(
      x.data + sample * x.row_stride, x.row_stride, x.col_stride, centers.shift(), 1, x.cols,
      samples_.data() + row * sample_stride_, sample_stride_, squares_.data() + row);
  multiply_rows(centers, row, 1, 0, centers.clusters());
}

template <class T>
void SampleBlock<T>::take_nearest(const MatrixView<const T>& x, Index first, Index rows,
                                  const std::int32_t* order, const PackedCenters<T>& centers,
                                  T largest_square, std::int32_t* labels, T* values, T* seconds) {
  if (order != nullptr || x.col_stride != 1 || x.cols > simd::most_short) {
    load(x, first, rows, centers.shift(), order);
    multiply(centers);
    return find_nearest(centers, largest_square, labels, values, seconds);
  }
  rows_ = rows;
  const T share = margin_share<T>(x.cols);
  const bool any_close = runtime::kernels<T>().cluster->nearest_short(
      x.data + first * x.row_stride, x.row_stride, rows, x.cols, centers.shift(),
      centers.centered(), centers.clusters(), centers.squares(), share, largest_square, labels,
      values, seconds, squares_.data());
  if (!any_close) return;
  for (Index i = 0; i < rows; ++i) {
    const T margin = share * (squares_[i] + largest_square);
    if (!(seconds[i] - values[i] <= margin)) continue;
    load_row(x, first + i, i, centers);
    decide(centers, i, margin, labels[i], values[i], seconds[i]);
  }
}

template <class T>
void SampleBlock<T>::squared_distances(const PackedCenters<T>& centers, T* to,
                                       Index to_stride) const {
  runtime::kernels<T>().cluster->squared_distances(
      products_.data(), product_stride_, rows_, centers.clusters(), squares_.data(),
      centers.squares(), samples_.data(), sample_stride_, centers.centered(), centers.cols(),
      centers.cols(), to, to_stride);
}

template <class T>
void SampleBlock<T>::find_nearest(const PackedCenters<T>& centers, T largest_square,
                                  std::int32_t* labels, T* values, T* seconds) const {
  runtime::kernels<T>().cluster->nearest_two(products_.data(), product_stride_, rows_,
                                             centers.clusters(), centers.squares(), labels, values,
                                             seconds);
  const T share = margin_share<T>(centers.cols());
  for (Index i = 0; i < rows_; ++i) {
    const T margin = share * (squares_[i] + largest_square);
    if (seconds[i] - values[i] <= margin) {
      decide(centers, i, margin, labels[i], values[i], seconds[i]);
    }
  }
}

// Between the centres within the margin of the least, by the differences.
template <class T>
void SampleBlock<T>::decide(const PackedCenters<T>& centers, Index row, T margin,
                            std::int32_t& label, T& value, T& second) const {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const T* products = products_.data() + row * product_stride_;
  const T limit = value + margin;
  T first_square = infinity, second_square = infinity;
  for (Index j = 0; j < centers.clusters(); ++j) {
    if (!(centers.squares()[j] - T{2} * products[j] <= limit)) continue;
    const auto candidate = static_cast<std::int32_t>(j);
    T square;
    runtime::kernels<T>().cluster->distances_to(samples_.data() + row * sample_stride_,
                                                sample_stride_, centers.centered(), centers.cols(),
                                                &candidate, 1, centers.cols(), &square);
    second_square = std::min(second_square, std::max(first_square, square));
    if (square < first_square) {
      first_square = square;
      label = candidate;
    }
  }
  value = first_square - squares_[row];
  second = second_square - squares_[row];
}

template <class T>
T product_error(Index cols) {
  // The sums of a product run in chains (simd/gemm.cpp).
  const auto terms = static_cast<T>(std::min<Index>(cols, 128) + cols / 128 + 8);
  return terms * std::numeric_limits<T>::epsilon();
}

double distances_work(Index rows, Index clusters, Index cols) {
  return gemm_work(rows, clusters, cols) +
         static_cast<double>(rows) * (10.0 + 0.1 * static_cast<double>(clusters + cols));
}

template class PackedCenters<float>;
template class PackedCenters<double>;
template class SampleBlock<float>;
template class SampleBlock<double>;
template float product_error<float>(Index);
template double product_error<double>(Index);

}  // namespace unitgain::ops
