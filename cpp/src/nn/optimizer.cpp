#include "nn/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/grain.hpp"
#include "ops/norm.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/flush_denormals.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::nn {

namespace {

template <class T>
base::AlignedBuffer<T> zeros(Index size) {
  base::AlignedBuffer<T> buffer(size);
  buffer.zero();
  return buffer;
}

// What a gradient of this norm is multiplied by. A finite norm within the limit leaves the gradient
// as it is. A NaN makes all of it NaN, an infinity of one array's all finite values 0, of a norm
// over all arrays NaN: as Keras's arithmetic has it.
double clipping_scale(double norm, double limit, bool global) {
  if (std::isnan(norm) || (global && std::isinf(norm))) return std::nan("");
  return norm > limit ? limit / norm : 1.0;
}

}  // namespace

template <class T>
Optimizer<T>::Optimizer(const OptimizerSpec& spec, std::vector<OptimizedArray<T>> arrays)
    : spec_(spec),
      arrays_(std::move(arrays)),
      rule_(update_rule(spec, false)),
      matrix_(update_rule(spec, true)),
      orthogonalizer_(spec),
      learning_rate_(spec.learning_rate) {
  constexpr auto line = static_cast<Index>(base::cache_line / sizeof(T));
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    const OptimizedArray<T>& array = arrays_[p];
    Index size = 1;
    for (const Index extent : array.shape) size *= extent;
    offsets_.push_back(size_);
    sizes_.push_back(size);
    size_ += (size + line - 1) / line * line;
    const bool matrix = spec_.kind == OptimizerKind::muon && array.options.orthogonalize &&
                        array.shape.size() == 2 && size > 0;
    is_matrix_.push_back(matrix);
    if (matrix) work_ += orthogonalizer_.work(array.shape[0], array.shape[1]);
    has_matrices_ |= matrix;
    first_blocks_.push_back(static_cast<Index>(blocks_.size()));
    for (Index first = 0; first < size; first += ops::norm_block) blocks_.push_back({p, first});
  }
  first_blocks_.push_back(static_cast<Index>(blocks_.size()));
  if (by_norm()) norms_.resize(blocks_.size());
  // A matrix of Muon's uses its place in the second slot for the update before it is applied.
  for (int i = 0; i < rule_.slots; ++i) slots_[i] = zeros<T>(size_);
  if (spec_.use_ema) averages_ = zeros<T>(size_);
  if (spec_.kind == OptimizerKind::adagrad) {
    std::fill(slots_[0].begin(), slots_[0].end(), static_cast<T>(spec_.initial_accumulator_value));
  }
  work_ += 0.3 * static_cast<double>(size_);
}

template <class T>
void Optimizer<T>::set_iterations(std::int64_t iterations) {
  iterations_.store(iterations, std::memory_order_relaxed);
  momentum_product_ = 1;
  if (spec_.kind != OptimizerKind::nadam) return;
  for (std::int64_t t = 1; t <= iterations && momentum_product_ > 0; ++t) {
    momentum_product_ *= nadam_momentum(spec_, t);
  }
}

template <class T>
void Optimizer<T>::apply(std::vector<const T*> gradients, int threads) {
  const std::lock_guard lock(mutex_);
  const int barriers = (by_norm() ? 2 : 1) + (has_matrices_ ? 4 * spec_.ns_steps : 0);
  const runtime::TeamSize size =
      threads > 0 ? runtime::TeamSize{threads, 1e8} : runtime::threads_for(work_, barriers);
  begin_step(std::move(gradients), size.threads);
  runtime::parallel(size, [&](const runtime::Team& team) {
    const runtime::FlushDenormals flush(true);
    update(team);
  });
}

template <class T>
void Optimizer<T>::begin_step(std::vector<const T*> gradients, int threads) {
  gradients_ = std::move(gradients);
  const std::int64_t step = iterations() + 1;
  iterations_.store(step, std::memory_order_relaxed);
  if (spec_.kind == OptimizerKind::nadam) momentum_product_ *= nadam_momentum(spec_, step);
  factors_ = update_factors<T>(spec_, learning_rate(), step, momentum_product_);
  if (spec_.clipping == Clipping::value) factors_.clip = static_cast<T>(spec_.clip);
  factors_.average_rest = static_cast<T>(step == 1 ? 1.0 : 1 - spec_.ema_momentum);
  factors_.overwrite = spec_.use_ema && spec_.ema_overwrite_frequency > 0 &&
                       step % spec_.ema_overwrite_frequency == 0;
  for (std::size_t p = 0; has_matrices_ && p < arrays_.size(); ++p) {
    if (is_matrix(p)) orthogonalizer_.reserve(arrays_[p].shape[0], arrays_[p].shape[1], threads);
  }
}

template <class T>
void Optimizer<T>::update(const runtime::Team& team) {
  double scale_of_all = 1;
  if (by_norm()) {
    measure(team);
    team.barrier();
    if (spec_.clipping == Clipping::global_norm) {
      const double norm = ops::combined_norm(norms_.data(), static_cast<Index>(norms_.size()));
      scale_of_all = clipping_scale(norm, spec_.clip, true);
    }
  }
  const runtime::Range part = team.share(size_, ops::element_grain);
  const auto after = std::upper_bound(offsets_.begin(), offsets_.end(), part.begin);
  for (auto p = static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - offsets_.begin() - 1, 0));
       p < arrays_.size() && offsets_[p] < part.end; ++p) {
    const Index begin = std::max<Index>(part.begin - offsets_[p], 0);
    const Index end = std::min(part.end - offsets_[p], elements(p));
    if (begin >= end) continue;
    const bool own = spec_.clipping == Clipping::norm && gradients_[p] != nullptr;
    update_part(p, begin, end - begin, own ? scale(p) : scale_of_all);
  }
  if (!has_matrices_) return;
  team.barrier();
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    if (is_matrix(p) && gradients_[p] != nullptr) update_matrix(team, p);
  }
}

// The norms of this member's share of the gradients' blocks.
template <class T>
void Optimizer<T>::measure(const runtime::Team& team) {
  const runtime::Range part = team.share(static_cast<Index>(blocks_.size()), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto [p, first] = blocks_[static_cast<std::size_t>(i)];
    const Index count = std::min(ops::norm_block, elements(p) - first);
    const T* g = gradients_[p];
    norms_[static_cast<std::size_t>(i)] = g == nullptr ? 0 : ops::block_norm(g + first, count);
  }
}

template <class T>
double Optimizer<T>::scale(std::size_t array) const {
  const Index first = first_blocks_[array];
  const double norm = ops::combined_norm(norms_.data() + first, first_blocks_[array + 1] - first);
  return clipping_scale(norm, spec_.clip, false);
}

// The factors with the array's weight decay, which the rate of the step does not scale.
template <class T>
simd::UpdateFactors<T> Optimizer<T>::surrounded(std::size_t array,
                                                simd::UpdateFactors<T> factors) const {
  const bool adam_of_muon = spec_.kind == OptimizerKind::muon && !is_matrix(array);
  const double decay = adam_of_muon ? spec_.adam_weight_decay : spec_.weight_decay;
  if (arrays_[array].options.decay) factors.decay = static_cast<T>(learning_rate() * decay);
  return factors;
}

template <class T>
void Optimizer<T>::update_part(std::size_t array, Index begin, Index count, double scale) {
  const Index at = offsets_[array] + begin;
  simd::UpdateArrays<T> pointers{};
  pointers.w = arrays_[array].data + begin;
  if (spec_.use_ema) pointers.average = averages_.data() + at;
  for (int i = 0; i < rule_.slots; ++i) pointers.slots[i] = slots_[i].data() + at;
  if (gradients_[array] == nullptr) return run(simd::Update::average, pointers, count, factors_);
  pointers.g = gradients_[array] + begin;

  simd::UpdateFactors<T> factors = factors_;
  // In two parts, since a scale that brings 1e38 down to 1 may be too small for a float.
  const bool tiny = scale > 0 && scale < 0x1p-100;
  factors.scale[0] = static_cast<T>(tiny ? scale * 0x1p100 : scale);
  factors.scale[1] = tiny ? static_cast<T>(0x1p-100) : T{1};
  if (is_matrix(array)) {
    pointers.w = pointers.slots[1];
    pointers.average = nullptr;
    return run(matrix_.update, pointers, count, factors);
  }
  run(rule_.update, pointers, count, surrounded(array, factors));
}

template <class T>
void Optimizer<T>::update_matrix(const runtime::Team& team, std::size_t array) {
  const Index rows = arrays_[array].shape[0], cols = arrays_[array].shape[1];
  const T* change = orthogonalizer_.run(team, slot(array, 1), rows, cols);
  const runtime::Range part = team.share(elements(array), ops::element_grain);
  simd::UpdateArrays<T> pointers{};
  pointers.w = arrays_[array].data + part.begin;
  pointers.g = change + part.begin;
  if (spec_.use_ema) pointers.average = average(array) + part.begin;
  simd::UpdateFactors<T> factors = surrounded(array, factors_);
  // Source of the scale: Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982.
  const double larger = std::sqrt(static_cast<double>(std::max(rows, cols)));
  factors.rate =
      static_cast<T>(learning_rate() * (spec_.rms_rate == 0 ? 1.0 : larger * spec_.rms_rate));
  factors.clip = 0;
  run(simd::Update::sgd, pointers, part.size(), factors);
  team.barrier();  // the result lies where the next matrix's will
}

template <class T>
void Optimizer<T>::run(simd::Update update, simd::UpdateArrays<T> arrays, Index count,
                       const simd::UpdateFactors<T>& factors) const {
  const auto& row = runtime::kernels<T>().optimizer->row[static_cast<int>(update)];
  const bool plain = arrays.average == nullptr && factors.decay == 0 && factors.clip == 0 &&
                     factors.scale[0] == 1 && factors.scale[1] == 1;
  (plain ? row.plain : row.full)(arrays, count, factors);
}

template <class T>
void Optimizer<T>::finalize(std::size_t array) {
  if (!spec_.use_ema || iterations() == 0) return;
  std::copy_n(average(array), elements(array), arrays_[array].data);
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unitgain::nn
