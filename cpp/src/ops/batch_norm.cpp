#include "ops/batch_norm.hpp"

#include <algorithm>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"

namespace unitgain::ops {

namespace {

constexpr Index widest_block = 1024;

// Calls body(first, width) for blocks of this thread's columns. A block of `rows` rows stays in the
// L2 cache between the passes over it, where the rows are few enough; blocks are not made narrower
// than four cache lines for it, because a row's lines are then no longer fetched ahead.
template <class T, class Body>
void for_each_block(const runtime::Team& team, Index rows, Index cols, Body&& body) {
  constexpr Index cached_values = 256 * 1024 / sizeof(T);
  const Index fitting =
      cached_values / std::max<Index>(rows, 1) / column_grain<T> * column_grain<T>;
  const Index width = std::clamp<Index>(fitting, 4 * column_grain<T>, widest_block);
  const runtime::Range part = team.share(cols, column_grain<T>);
  for (Index first = part.begin; first < part.end; first += width) {
    body(first, std::min(width, part.end - first));
  }
}

// A pointer to a block's part of a vector that may be absent.
template <class T>
const T* at(const T* vector, Index first) {
  return vector == nullptr ? nullptr : vector + first;
}

}  // namespace

template <class T>
void batch_norm_train(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const T* gamma, const T* beta, T epsilon, double momentum, T* moving_mean,
                      T* moving_variance, T* mean, T* residual, T* inverse_deviation, T* scale) {
  if (rows == 0) return;
  const auto& kernels = *runtime::kernels<T>().column;
  const T keep = static_cast<T>(momentum), renew = static_cast<T>(1.0 - momentum);
  for_each_block<T>(team, rows, cols, [&](Index first, Index width) {
    T shift[widest_block], variance[widest_block];
    kernels.moments(x + first, cols, rows, width, mean + first, residual + first, variance);
    if (moving_mean != nullptr) {
      kernels.move_average(moving_mean + first, mean + first, width, keep, renew);
      kernels.move_average(moving_variance + first, variance, width, keep, renew);
    }
    kernels.prepare_normalize(width, residual + first, variance, at(gamma, first), at(beta, first),
                              epsilon, inverse_deviation + first, scale + first, shift);
    kernels.normalize(x + first, cols, y + first, cols, rows, width, mean + first, scale + first,
                      shift);
  });
}

template <class T>
void batch_norm_infer(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const T* gamma, const T* beta, T epsilon, const T* moving_mean,
                      const T* moving_variance, T* scale) {
  const auto& kernels = *runtime::kernels<T>().column;
  for_each_block<T>(team, rows, cols, [&](Index first, Index width) {
    T shift[widest_block];
    kernels.prepare_normalize(width, nullptr, moving_variance + first, at(gamma, first),
                              at(beta, first), epsilon, scale + first, scale + first, shift);
    kernels.normalize(x + first, cols, y + first, cols, rows, width, moving_mean + first,
                      scale + first, shift);
  });
}

template <class T>
void batch_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, T* gradient,
                         Index rows, Index cols, const T* gamma, const T* mean, const T* residual,
                         const T* inverse_deviation, T* gamma_gradient, T* beta_gradient,
                         T* scratch) {
  const auto& kernels = *runtime::kernels<T>().column;
  T *factor = scratch, *mean_upstream = scratch + cols, *mean_product = scratch + 2 * cols;
  for_each_block<T>(team, rows, cols, [&](Index first, Index width) {
    kernels.normalize_gradient_sums(x + first, cols, upstream + first, cols, rows, width,
                                    mean + first, residual + first, inverse_deviation + first,
                                    beta_gradient + first, gamma_gradient + first);
    if (gradient == nullptr || rows == 0) return;
    kernels.prepare_normalize_gradient(width, rows, at(gamma, first), inverse_deviation + first,
                                       beta_gradient + first, gamma_gradient + first,
                                       factor + first, mean_upstream + first, mean_product + first);
    kernels.normalize_gradient(x + first, cols, upstream + first, cols, gradient + first, cols,
                               rows, width, mean + first, residual + first,
                               inverse_deviation + first, factor + first, mean_upstream + first,
                               mean_product + first);
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                                    \
  template void batch_norm_train<T>(const runtime::Team&, const T*, T*, Index, Index, const T*,    \
                                    const T*, T, double, T*, T*, T*, T*, T*, T*);                  \
  template void batch_norm_infer<T>(const runtime::Team&, const T*, T*, Index, Index, const T*,    \
                                    const T*, T, const T*, const T*, T*);                          \
  template void batch_norm_gradient<T>(const runtime::Team&, const T*, const T*, T*, Index, Index, \
                                       const T*, const T*, const T*, const T*, T*, T*, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
