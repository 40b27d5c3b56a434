#include "ops/batch_renorm.hpp"

#include <algorithm>
#include <cmath>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"

namespace unitgain::ops {

namespace {

constexpr Index widest_block = 1024;

// Calls body(first, width) for blocks of this thread's columns.
template <class T, class Body>
void for_each_block(const runtime::Team& team, Index cols, Body&& body) {
  const runtime::Range part = team.share(cols, column_grain<T>);
  for (Index first = part.begin; first < part.end; first += widest_block) {
    body(first, std::min(widest_block, part.end - first));
  }
}

template <class T>
bool keeps(const T* mask, Index row) {
  return mask[row] > T{0.5};
}

// Calls body(first, count, kept) for runs of rows that are all kept, or none of them.
template <class T, class Body>
void for_each_run(const T* mask, Index rows, Body&& body) {
  if (mask == nullptr) return body(Index{0}, rows, true);
  for (Index first = 0, end; first < rows; first = end) {
    const bool kept = keeps(mask, first);
    for (end = first + 1; end < rows && keeps(mask, end) == kept;) ++end;
    body(first, end - first, kept);
  }
}

// Mean, what that lost in being rounded, and biased variance of the rows kept.
template <class T>
void moments(const T* x, Index rows, Index cols, Index first, Index width, const T* mask,
             T* scratch, const NormStatistics<T>& to, T* variance) {
  const auto& kernels = *runtime::kernels<T>().column;
  if (mask == nullptr) {
    return kernels.moments(x + first, cols, rows, width, to.mean + first, to.residual + first,
                           variance);
  }
  Index count = 0;
  for (Index i = 0; i < rows; ++i) {
    if (keeps(mask, i)) std::copy_n(x + i * cols + first, width, scratch + count++ * cols + first);
  }
  if (count > 0) {
    return kernels.moments(scratch + first, cols, count, width, to.mean + first,
                           to.residual + first, variance);
  }
  std::fill_n(to.mean + first, width, T{0});
  std::fill_n(to.residual + first, width, T{0});
  std::fill_n(variance, width, T{0});
}

template <class T>
T moved(T average, T value, T keep) {
  return average * keep + value * (1 - keep);
}

// r and d of one column, and the statistics as they are after the batch.
template <class T>
void renormalize(const Renormalization<T>& renorm, Index j, T mean, T variance, T epsilon,
                 double momentum, const MovingStatistics<T>& moving, T& r, T& d) {
  const T deviation = std::sqrt(variance + epsilon);
  const T known = std::max(renorm.deviation[j], std::sqrt(epsilon));
  r = std::min(std::max(deviation / known, renorm.least_r), renorm.most_r);
  d = std::clamp((mean - renorm.mean[j]) / known, -renorm.most_d, renorm.most_d);
  if (moving.mean == nullptr) return;
  const T keep = static_cast<T>(renorm.momentum), keep_moving = static_cast<T>(momentum);
  renorm.mean[j] = moved(renorm.mean[j], mean, keep);
  renorm.deviation[j] = moved(renorm.deviation[j], deviation, keep);
  moving.mean[j] = moved(moving.mean[j], mean, keep_moving);
  const T moved_deviation = moved(renorm.moving_deviation[j], deviation, keep_moving);
  renorm.moving_deviation[j] = moved_deviation;
  moving.variance[j] = std::max(moved_deviation * moved_deviation - epsilon, T{0});
}

}  // namespace

template <class T>
void batch_norm_train_corrected(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                                const NormParameters<T>& parameters, double momentum,
                                const MovingStatistics<T>& moving, const NormStatistics<T>& kept,
                                const BatchCorrections<T>& corrections, T* scale) {
  if (rows == 0) return;
  const auto& kernels = *runtime::kernels<T>().column;
  const bool renormalizes = corrections.renorm.mean != nullptr;
  for_each_block<T>(team, cols, [&](Index first, Index width) {
    T shift[widest_block], variance[widest_block], gamma[widest_block], beta[widest_block];
    moments(x, rows, cols, first, width, corrections.mask, corrections.rows, kept, variance);
    for (Index i = 0; i < width; ++i) {
      const Index j = first + i;
      gamma[i] = parameters.gamma == nullptr ? T{1} : parameters.gamma[j];
      beta[i] = parameters.beta == nullptr ? T{0} : parameters.beta[j];
      if (!renormalizes) continue;
      renormalize(corrections.renorm, j, kept.mean[j], variance[i], parameters.epsilon, momentum,
                  moving, corrections.r[j], corrections.d[j]);
      beta[i] += corrections.d[j] * gamma[i];
      gamma[i] *= corrections.r[j];
    }
    if (!renormalizes && moving.mean != nullptr) {
      const T keep = static_cast<T>(momentum), renew = static_cast<T>(1.0 - momentum);
      kernels.move_average(moving.mean + first, kept.mean + first, width, keep, renew);
      kernels.move_average(moving.variance + first, variance, width, keep, renew);
    }
    kernels.prepare_normalize(width, kept.residual + first, variance, gamma, beta,
                              parameters.epsilon, kept.inverse_deviation + first, scale + first,
                              shift);
    kernels.normalize(x + first, cols, y + first, cols, rows, width, kept.mean + first,
                      scale + first, shift);
  });
}

template <class T>
void batch_norm_gradient_corrected(const runtime::Team& team, const T* x, const T* upstream,
                                   Index rows, Index cols, const T* gamma,
                                   const NormStatistics<const T>& kept,
                                   const BatchCorrections<T>& corrections,
                                   const NormGradients<T>& gradients, T* scratch) {
  const auto& kernels = *runtime::kernels<T>().column;
  const bool renormalizes = corrections.renorm.mean != nullptr;
  Index count = 0;  // rows that the statistics are of
  for_each_run(corrections.mask, rows, [&](Index, Index n, bool is_kept) {
    if (is_kept) count += n;
  });
  for_each_block<T>(team, cols, [&](Index first, Index width) {
    const T *mean = kept.mean + first, *residual = kept.residual + first;
    const T* inverse_deviation = kept.inverse_deviation + first;
    T *sum_upstream = gradients.beta + first, *sum_product = gradients.gamma + first;
    kernels.normalize_gradient_sums(x + first, cols, upstream + first, cols, rows, width, mean,
                                    residual, inverse_deviation, sum_upstream, sum_product);
    T* const factor = scratch + first;
    T *mean_upstream = factor + cols, *mean_product = factor + 2 * cols, *zero = factor + 3 * cols;
    // `zero` holds gamma until the factors are made of it.
    for (Index i = 0; i < width; ++i) {
      const T own = gamma == nullptr ? T{1} : gamma[first + i];
      zero[i] = renormalizes ? own * corrections.r[first + i] : own;
    }
    kernels.prepare_normalize_gradient(width, std::max<Index>(count, 1), zero, inverse_deviation,
                                       sum_upstream, sum_product, factor, mean_upstream,
                                       mean_product);
    std::fill_n(zero, width, T{0});
    for (Index i = 0; renormalizes && i < width; ++i) {
      const Index j = first + i;
      sum_product[i] = sum_product[i] * corrections.r[j] + sum_upstream[i] * corrections.d[j];
    }
    if (gradients.x == nullptr) return;
    for_each_run(corrections.mask, rows, [&](Index row, Index n, bool is_kept) {
      const Index at = row * cols + first;
      kernels.normalize_gradient(x + at, cols, upstream + at, cols, gradients.x + at, cols, n,
                                 width, mean, residual, inverse_deviation, factor,
                                 is_kept ? mean_upstream : zero, is_kept ? mean_product : zero);
    });
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                              \
  template void batch_norm_train_corrected<T>(                                               \
      const runtime::Team&, const T*, T*, Index, Index, const NormParameters<T>&, double,    \
      const MovingStatistics<T>&, const NormStatistics<T>&, const BatchCorrections<T>&, T*); \
  template void batch_norm_gradient_corrected<T>(                                            \
      const runtime::Team&, const T*, const T*, Index, Index, const T*,                      \
      const NormStatistics<const T>&, const BatchCorrections<T>&, const NormGradients<T>&, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
