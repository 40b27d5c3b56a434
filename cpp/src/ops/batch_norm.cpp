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
                      const NormParameters<T>& parameters, double momentum,
                      const MovingStatistics<T>& moving, const NormStatistics<T>& kept, T* scale) {
  if (rows == 0) return;
  const auto& kernels = *runtime::kernels<T>().column;
  const T keep = static_cast<T>(momentum), renew = static_cast<T>(1.0 - momentum);
  for_each_block<T>(team, rows, cols, [&](Index first, Index width) {
    T shift[widest_block], variance[widest_block];
    T *const mean = kept.mean + first, *const residual = kept.residual + first;
    kernels.moments(x + first, cols, rows, width, mean, residual, variance);
    if (moving.mean != nullptr) {
      kernels.move_average(moving.mean + first, mean, width, keep, renew);
      kernels.move_average(moving.variance + first, variance, width, keep, renew);
    }
    kernels.prepare_normalize(width, residual, variance, at(parameters.gamma, first),
                              at(parameters.beta, first), parameters.epsilon,
                              kept.inverse_deviation + first, scale + first, shift);
    kernels.normalize(x + first, cols, y + first, cols, rows, width, mean, scale + first, shift);
  });
}

template <class T>
void batch_norm_infer(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                      const NormParameters<T>& parameters, const MovingStatistics<const T>& moving,
                      T* scale) {
  const auto& kernels = *runtime::kernels<T>().column;
  for_each_block<T>(team, rows, cols, [&](Index first, Index width) {
    T shift[widest_block];
    kernels.prepare_normalize(width, nullptr, moving.variance + first, at(parameters.gamma, first),
                              at(parameters.beta, first), parameters.epsilon, scale + first,
                              scale + first, shift);
    kernels.normalize(x + first, cols, y + first, cols, rows, width, moving.mean + first,
                      scale + first, shift);
  });
}

template <class T>
void batch_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, Index rows,
                         Index cols, const T* gamma, const NormStatistics<const T>& kept,
                         const NormGradients<T>& gradients, T* scratch) {
  const auto& kernels = *runtime::kernels<T>().column;
  for_each_block<T>(team, rows, cols, [&](Index first, Index width) {
    const T *mean = kept.mean + first, *residual = kept.residual + first;
    const T* inverse_deviation = kept.inverse_deviation + first;
    T *sum_upstream = gradients.beta + first, *sum_product = gradients.gamma + first;
    kernels.normalize_gradient_sums(x + first, cols, upstream + first, cols, rows, width, mean,
                                    residual, inverse_deviation, sum_upstream, sum_product);
    if (gradients.x == nullptr || rows == 0) return;
    T* const factor = scratch + first;
    T *mean_upstream = factor + cols, *mean_product = factor + 2 * cols;
    kernels.prepare_normalize_gradient(width, rows, at(gamma, first), inverse_deviation,
                                       sum_upstream, sum_product, factor, mean_upstream,
                                       mean_product);
    kernels.normalize_gradient(x + first, cols, upstream + first, cols, gradients.x + first, cols,
                               rows, width, mean, residual, inverse_deviation, factor,
                               mean_upstream, mean_product);
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                                   \
  template void batch_norm_train<T>(const runtime::Team&, const T*, T*, Index, Index,             \
                                    const NormParameters<T>&, double, const MovingStatistics<T>&, \
                                    const NormStatistics<T>&, T*);                                \
  template void batch_norm_infer<T>(const runtime::Team&, const T*, T*, Index, Index,             \
                                    const NormParameters<T>&, const MovingStatistics<const T>&,   \
                                    T*);                                                          \
  template void batch_norm_gradient<T>(const runtime::Team&, const T*, const T*, Index, Index,    \
                                       const T*, const NormStatistics<const T>&,                  \
                                       const NormGradients<T>&, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
