#include "cluster/screen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/cpu.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/cluster.hpp"

namespace unitgain::cluster {

namespace {

constexpr const char* purpose = "k-means' samples as integers";
// Of the integers; their product and what rounding adds to the norms fit 31 bits.
constexpr float sample_norm = 32000, center_norm = 64000;
// How many samples m is the mean of.
constexpr Index samples_of_mean = 1024;

Index stride_for(Index cols) {
  return (cols + simd::screen_step - 1) / simd::screen_step * simd::screen_step;
}
Index padded(Index clusters) {
  return (clusters + simd::screen_panel - 1) / simd::screen_panel * simd::screen_panel;
}

}  // namespace

template <class T>
bool Screen<T>::pays(const MatrixView<const T>& x, Index clusters) {
  // Zen 4, benchmarks/clustering.py.
  constexpr Index least_rows = 4096, least_clusters = 16;
  return x.rows >= least_rows && clusters >= least_clusters && x.cols > simd::most_short &&
         x.cols <= simd::most_screened && x.col_stride == 1 &&
         runtime::kernels<T>().cluster->screen != nullptr && runtime::has_avx512_vnni();
}

template <class T>
Screen<T>::Screen(const Samples<T>& samples, Index clusters, int threads)
    : kernels_(*runtime::kernels<T>().cluster->screen),
      x_(samples.x),
      clusters_(clusters),
      stride_(stride_for(x_.cols)),
      shift_(x_.cols, purpose),
      centered_(clusters * x_.cols, purpose),
      integers_(x_.rows * stride_, purpose),
      scales_(x_.rows, purpose),
      norms_(x_.rows, purpose),
      errors_(x_.rows, purpose),
      center_integers_(clusters * stride_, purpose),
      panels_(padded(clusters) * ((x_.cols + 1) / 2), purpose),
      offsets_(padded(clusters), purpose),
      steps_(padded(clusters), purpose) {
  for (int i = 0; i < threads; ++i) {
    scratch_.emplace_back(simd::screen_rows * stride_ / 2, purpose);
  }
}

template <class T>
void Screen<T>::take_samples(const runtime::Team& team) {
  const runtime::Range columns = team.share(x_.cols, 16);
  const Index count = std::min(samples_of_mean, x_.rows);
  for (Index j = columns.begin; j < columns.end; ++j) {
    double sum = 0;
    for (Index i = 0; i < count; ++i) {
      sum += static_cast<double>(x_.data[x_.rows / count * i * x_.row_stride + j]);
    }
    shift_[j] = static_cast<T>(sum / static_cast<double>(count));
  }
  team.barrier();
  const runtime::Range mine = team.share(x_.rows, 16);
  kernels_.quantize(x_.data + mine.begin * x_.row_stride, x_.row_stride, shift_.data(), mine.size(),
                    x_.cols, sample_norm, integers_.data() + mine.begin * stride_, stride_,
                    scales_.data() + mine.begin, norms_.data() + mine.begin,
                    errors_.data() + mine.begin);
}

template <class T>
void Screen<T>::take_centers(const MatrixView<const T>& centers, const T* shift) {
  const Index pairs = (x_.cols + 1) / 2, all = padded(clusters_);
  double square = 0;
  for (Index j = 0; j < x_.cols; ++j) {
    const double step = static_cast<double>(shift[j]) - static_cast<double>(shift_[j]);
    square += step * step;
  }
  apart_ = std::sqrt(square);
  largest_norm_ = largest_error_ = 0;
  for (Index i = 0; i < clusters_; ++i) {
    const T* center = centers.data + i * centers.row_stride;
    float norm, error, scale;
    kernels_.quantize(center, x_.cols, shift_.data(), 1, x_.cols, center_norm,
                      center_integers_.data() + i * stride_, stride_, &scale, &norm, &error);
    square = 0;
    for (Index j = 0; j < x_.cols; ++j) {
      const double value = static_cast<double>(center[j] - shift_[j]);
      square += value * value;
    }
    offsets_[i] = static_cast<float>(square);
    steps_[i] = -2 * scale;
    largest_norm_ = std::max(largest_norm_, norm);
    largest_error_ = std::max(largest_error_, error);
  }
  std::fill(offsets_.begin() + clusters_, offsets_.end(), std::numeric_limits<float>::infinity());
  std::fill(steps_.begin() + clusters_, steps_.end(), 0.0F);
  for (Index i = 0; i < all; ++i) {
    const std::int16_t* values = center_integers_.data() + i * stride_;
    std::int32_t* to = panels_.data() + i / simd::screen_panel * simd::screen_panel * pairs +
                       i % simd::screen_panel;
    for (Index p = 0; p < pairs; ++p) {
      std::int32_t pair = 0;
      if (i < clusters_) std::copy_n(values + 2 * p, 2, reinterpret_cast<std::int16_t*>(&pair));
      to[p * simd::screen_panel] = pair;
    }
  }
}

template <class T>
void Screen<T>::find_nearest(int rank, Index first, Index rows, const std::int32_t* order,
                             std::int32_t* labels, T* values, T* seconds, T* squares, T* slacks) {
  float scales[ops::most_block_rows], norms[ops::most_block_rows], errors[ops::most_block_rows];
  float found[ops::most_block_rows], next[ops::most_block_rows];
  const std::int32_t* own_order = order == nullptr ? nullptr : order + first;
  for (Index i = 0; i < rows; ++i) {
    const Index sample = own_order == nullptr ? first + i : own_order[i];
    scales[i] = scales_[sample];
    norms[i] = norms_[sample];
    errors[i] = errors_[sample];
  }
  const std::int16_t* x = integers_.data() + (own_order == nullptr ? first * stride_ : 0);
  kernels_.nearest_two(x, stride_, own_order, rows, x_.cols, scales,
                       {panels_.data(), offsets_.data(), steps_.data(), clusters_},
                       scratch_[static_cast<std::size_t>(rank)].data(), labels, found, next);
  constexpr float rounding = 16 * std::numeric_limits<float>::epsilon();
  constexpr float smallest = 1e-28F;  // what products of small scales lose, from above
  const float largest_norm = largest_norm_, largest_error = largest_error_;
  for (Index i = 0; i < rows; ++i) {
    const float reach = norms[i] + largest_norm;
    const float product = errors[i] * largest_norm + (norms[i] + errors[i]) * largest_error;
    slacks[i] = static_cast<T>(2.01F * product + rounding * reach * reach + smallest);
    squares[i] = static_cast<T>(norms[i]) * static_cast<T>(norms[i]);
    values[i] = static_cast<T>(found[i]);
    seconds[i] = static_cast<T>(next[i]);
  }
}

template class Screen<float>;
template class Screen<double>;

}  // namespace unitgain::cluster
