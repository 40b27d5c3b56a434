#include "nn/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/flush_denormals.hpp"
#include "simd/kernels/optimizer.hpp"
#include "simd/kernels/vector.hpp"
#include "simd/kernels/weight.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::nn {

namespace {

template <class T>
base::AlignedBuffer<T> zeros(Index size, const char* purpose) {
  base::AlignedBuffer<T> buffer(size, purpose);
  buffer.zero();
  return buffer;
}

Index size_of(const std::vector<Index>& shape) {
  Index size = 1;
  for (const Index extent : shape) size *= extent;
  return size;
}

// Checks the arrays' options, too.
template <class T>
ArrayBlocks blocks_of(const std::vector<OptimizedArray<T>>& arrays) {
  ArrayBlocks blocks;
  for (const OptimizedArray<T>& array : arrays) {
    check_options(array.options, array.shape);
    blocks.add(size_of(array.shape));
  }
  return blocks;
}

// The factor that clips a gradient of this norm. A finite norm within the limit leaves the gradient
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
      blocks_(blocks_of(arrays_)),
      penalties_(arrays_, blocks_),
      constraints_(arrays_),
      learning_rate_(spec.learning_rate),
      loss_scale_(spec.loss_scale) {
  if (spec_.accumulation_steps < 1) {
    throw ValueError("accumulation_steps must be at least 1, but it is " +
                     std::to_string(spec_.accumulation_steps));
  }
  constexpr auto line = static_cast<Index>(base::cache_line / sizeof(T));
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    const OptimizedArray<T>& array = arrays_[p];
    const Index size = size_of(array.shape);
    offsets_.push_back(size_);
    sizes_.push_back(size);
    size_ += (size + line - 1) / line * line;
    const bool muon = spec_.kind == OptimizerKind::muon && array.options.orthogonalize &&
                      array.shape.size() == 2 && size > 0;
    is_matrix_.push_back(muon || (is_adafactor() && array.shape.size() >= 2));
    if (muon) work_ += orthogonalizer_.work(array.shape[0], array.shape[1]);
    has_matrices_ |= muon;
    if (is_adafactor()) moments_.add(array.shape);
  }
  if (by_norm()) norms_.resize(static_cast<std::size_t>(blocks_.size()));
  if (is_adafactor()) moments_.allocate();
  if (rule_.by_array) {
    weight_norms_.resize(static_cast<std::size_t>(blocks_.size()));
    change_norms_.resize(weight_norms_.size());
  }
  // A matrix of Muon's uses its place in the second slot for the update before it is applied.
  for (int i = 0; i < rule_.slots + (rule_.by_array ? 1 : 0); ++i) {
    slots_[i] = zeros<T>(size_, "the optimizer's state");
  }
  if (spec_.use_ema) averages_ = zeros<T>(size_, "the weights' averages");
  if (accumulates()) accumulated_ = zeros<T>(size_, "accumulated gradients");
  if (spec_.kind == OptimizerKind::adagrad || spec_.kind == OptimizerKind::ftrl) {
    std::fill(slots_[0].begin(), slots_[0].end(), static_cast<T>(spec_.initial_accumulator_value));
  }
  work_ += 0.3 * static_cast<double>(size_);
  std::vector<const void*> memory;
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    memory.push_back(arrays_[p].data);
    for (const State& kept : state(p)) memory.push_back(kept.data);
  }
  enlist(std::move(memory));
}

template <class T>
std::vector<typename Optimizer<T>::State> Optimizer<T>::state(std::size_t array) const {
  const std::vector<Index>& shape = arrays_[array].shape;
  std::vector<State> found;
  if (spec_.use_ema) found.push_back({"average", average(array), shape});
  if (accumulates()) found.push_back({"gradient_accumulator", accumulated(array), shape});
  for (int i = 0; i < rule(array).slots; ++i) {
    found.push_back({rule(array).names[i], slot(array, i), shape});
  }
  if (!is_adafactor()) return found;
  const bool factored = moments_.is_factored(array);
  found.push_back(
      {factored ? "row_moments" : "velocity", moments_.first(array), moments_.first_shape(array)});
  if (factored) {
    found.push_back({"column_moments", moments_.columns(array), moments_.columns_shape(array)});
  }
  return found;
}

template <class T>
void Optimizer<T>::set_iterations(std::int64_t iterations) {
  iterations_.store(iterations, std::memory_order_relaxed);
  momentum_product_ = 1;
  if (spec_.kind != OptimizerKind::nadam) return;
  const std::int64_t steps = iterations / spec_.accumulation_steps;
  for (std::int64_t t = 1; t <= steps && momentum_product_ > 0; ++t) {
    momentum_product_ *= nadam_momentum(spec_, t);
  }
}

template <class T>
void Optimizer<T>::set_options(const std::vector<UpdateOptions>& options) {
  for (std::size_t p = 0; p < arrays_.size(); ++p) check_options(options[p], arrays_[p].shape);
  const StepLock lock(*this);
  for (std::size_t p = 0; p < arrays_.size(); ++p) arrays_[p].options = options[p];
  penalties_.read_options();
  constraints_.read_options();
}

template <class T>
void Optimizer<T>::apply(std::vector<const T*> gradients, int threads) {
  const StepLock lock(*this);
  const int barriers = (by_norm() ? 2 : 1) + (has_matrices_ ? 4 * spec_.ns_steps : 0) +
                       (is_adafactor()   ? 4
                        : rule_.by_array ? 2
                                         : 0);
  const runtime::TeamSize size =
      threads > 0 ? runtime::TeamSize{threads, 1e8} : runtime::threads_for(work_, barriers);
  begin_step(std::move(gradients), size.threads);
  runtime::parallel(size, [&](const runtime::Team& team) {
    const runtime::FlushDenormals flush(true);
    update(team);
  });
  finish_step();
}

// The settings of the next step. What a schedule of the user's throws leaves all as it is.
template <class T>
const OptimizerSpec& Optimizer<T>::scheduled() {
  const ScheduleSpec& schedule = spec_.schedule;
  if (schedule.kind == ScheduleKind::none) return spec_;
  set_learning_rate(scheduled_rate(schedule, iterations()));
  if (!schedule.momenta.empty()) {
    spec_.momentum = spec_.beta_1 = scheduled_momentum(schedule, iterations());
  }
  return spec_;
}

template <class T>
void Optimizer<T>::begin_step(std::vector<const T*> gradients, int threads, T* const* penalized) {
  const OptimizerSpec& spec = scheduled();
  gradients_ = std::move(gradients);
  penalized_ = penalties_.any() ? penalized : nullptr;
  if (penalized_ != nullptr) penalties_.begin(threads);
  if ((penalized_ != nullptr || accumulates()) && scratch_.size() < threads * ops::norm_block) {
    scratch_ = base::AlignedBuffer<T>(threads * ops::norm_block, "an optimizer's step");
  }
  const std::int64_t calls = iterations() + 1;
  iterations_.store(calls, std::memory_order_relaxed);
  completes_ = calls % spec_.accumulation_steps == 0;
  // Of the step that this call belongs to, as Keras counts for the averages, too.
  const std::int64_t step = (calls - 1) / spec_.accumulation_steps + 1;
  last_product_ = momentum_product_;
  if (completes_ && spec_.kind == OptimizerKind::nadam) {
    momentum_product_ *= nadam_momentum(spec, step);
  }
  skipped_ = false;
  factors_ = update_factors<T>(spec, learning_rate(), step, momentum_product_);
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
  if (penalized_ != nullptr) penalties_.add_whole(team, penalized_);
  double scale_of_all = 1;
  if (completes_ && by_norm()) {
    measure(team);
    team.barrier();
    const bool whole = spec_.clipping == Clipping::global_norm || skips_infinite();
    const double norm =
        whole ? ops::combined_norm(norms_.data(), static_cast<Index>(norms_.size())) : 0;
    if (skips_infinite() && !std::isfinite(norm)) return skip(team);
    if (spec_.clipping == Clipping::global_norm) {
      scale_of_all = clipping_scale(norm, spec_.clip, true);
    }
  }
  const bool plain = penalized_ == nullptr && !accumulates() && !constraints_.any_non_negative();
  plain ? update_shares(team, scale_of_all) : update_blocks(team, scale_of_all);
  if (completes_ && has_matrices_) {
    team.barrier();
    for (std::size_t p = 0; p < arrays_.size(); ++p) {
      if (is_matrix(p) && gradients_[p] != nullptr) update_matrix(team, p);
    }
  }
  if (completes_ && rule_.by_array) {
    team.barrier();
    if (is_adafactor()) divide_by_moments(team);
    measure_changes(team);
    team.barrier();
    for (std::size_t p = 0; p < arrays_.size(); ++p) {
      if (gradients_[p] != nullptr) apply_change(team, p);
    }
  }
  constraints_.scale_by_norms(team, gradients_);
}

// Leaves a step out: what led to it is forgotten.
template <class T>
void Optimizer<T>::skip(const runtime::Team& team) {
  if (team.rank() == 0) skipped_ = true;
  if (!accumulates()) return;
  const runtime::Range part = team.share(blocks_.size(), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto& [p, first, count] = blocks_[i];
    std::fill_n(accumulated(p) + first, count, T{0});
  }
}

template <class T>
void Optimizer<T>::finish_step() {
  if (skipped_) {
    iterations_.store(iterations() - spec_.accumulation_steps, std::memory_order_relaxed);
    momentum_product_ = last_product_;
    loss_scale_ /= 2;
    scaled_steps_ = 0;
    return;
  }
  constraints_.call(gradients_);
  if (!skips_infinite() || !completes_) return;
  if (++scaled_steps_ == spec_.scale_growth_steps) {
    loss_scale_ *= 2;
    scaled_steps_ = 0;
  }
}

// An even share of all arrays' memory.
template <class T>
void Optimizer<T>::update_shares(const runtime::Team& team, double scale_of_all) {
  const runtime::Range part = team.share(size_, ops::element_grain);
  const auto after = std::upper_bound(offsets_.begin(), offsets_.end(), part.begin);
  for (auto p = static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - offsets_.begin() - 1, 0));
       p < arrays_.size() && offsets_[p] < part.end; ++p) {
    const Index begin = std::max<Index>(part.begin - offsets_[p], 0);
    const Index end = std::min(part.end - offsets_[p], elements(p));
    if (begin >= end) continue;
    const T* g = gradients_[p];
    const bool own = spec_.clipping == Clipping::norm && g != nullptr;
    update_part(p, begin, end - begin, g == nullptr ? g : g + begin, own ? scale(p) : scale_of_all);
  }
}

// Block by block, so that what precedes and follows the rule meets the block in cache.
template <class T>
void Optimizer<T>::update_blocks(const runtime::Team& team, double scale_of_all) {
  const runtime::Range part = team.share(blocks_.size(), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto& [p, first, count] = blocks_[i];
    const bool given = gradients_[p] != nullptr;
    if (!completes_) {
      accumulate(blocks_[i], i);
    } else {
      const bool own = spec_.clipping == Clipping::norm && given;
      const T* g = given ? gradient(team, i) : nullptr;
      update_part(p, first, count, g, own ? scale(p) : scale_of_all);
      if (accumulates()) std::fill_n(accumulated(p) + first, count, T{0});
    }
    const bool updated = given && !(completes_ && (is_matrix(p) || rule_.by_array));
    if (updated && constraints_.is_non_negative(p)) {
      constraints_.make_non_negative(p, first, count);
    }
  }
}

// A call that makes no step: but averages of the weights move, as in Keras.
template <class T>
void Optimizer<T>::accumulate(const ArrayBlock& block, Index number) {
  const auto& [p, first, count] = block;
  if (const T* g = gradients_[p]; g != nullptr) {
    T* sum = accumulated(p) + first;
    if (penalized_ != nullptr) {
      penalties_.add_to(number, g + first, sum, T{1}, sum);
    } else {
      runtime::kernels<T>().vector->add(g + first, sum, sum, count);
    }
  }
  if (spec_.use_ema) update_part(p, first, count, nullptr, 1);
}

// A block's gradient with what belongs to it: the caller's, or one in this thread's scratch memory.
template <class T>
const T* Optimizer<T>::gradient(const runtime::Team& team, Index block) {
  const auto& [p, first, count] = blocks_[block];
  const T* given = gradients_[p] + first;
  if (!is_changed(p)) return given;
  T* made = scratch_.data() + team.rank() * ops::norm_block;
  const T* sum = accumulates() ? accumulated(p) + first : nullptr;
  const T share = T{1} / static_cast<T>(spec_.accumulation_steps);
  if (penalized_ != nullptr) {
    penalties_.add_to(block, given, sum, share, made);
  } else {
    runtime::kernels<T>().weight->penalize({arrays_[p].data + first, given, sum, made}, count,
                                           {0, 0, share});
  }
  return made;
}

template <class T>
void Optimizer<T>::add_penalties(const runtime::Team& team, T* const* gradients) {
  if (!penalties_.any()) return;
  penalties_.add_whole(team, gradients);
  const runtime::Range part = team.share(blocks_.size(), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto& [p, first, count] = blocks_[i];
    T* g = gradients[p] + first;
    if (penalties_.is_elementwise(p)) penalties_.add_to(i, g, nullptr, T{1}, g);
  }
}

// The norms of this thread's share of the gradients' blocks.
template <class T>
void Optimizer<T>::measure(const runtime::Team& team) {
  const runtime::Range part = team.share(blocks_.size(), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto& [p, first, count] = blocks_[i];
    norms_[static_cast<std::size_t>(i)] =
        gradients_[p] == nullptr ? 0 : ops::block_norm(gradient(team, i), count);
  }
}

template <class T>
double Optimizer<T>::scale(std::size_t array) const {
  const Index first = blocks_.begin(array);
  const double norm = ops::combined_norm(norms_.data() + first, blocks_.end(array) - first);
  return clipping_scale(norm, spec_.clip, false);
}

// The factors with the array's learning rate, and its weight decay, which the rule's corrections of
// the rate do not scale.
template <class T>
simd::UpdateFactors<T> Optimizer<T>::surrounded(std::size_t array,
                                                simd::UpdateFactors<T> factors) const {
  const bool adam_of_muon = spec_.kind == OptimizerKind::muon && !is_matrix(array);
  const double decay = adam_of_muon ? spec_.adam_weight_decay : spec_.weight_decay;
  const UpdateOptions& options = arrays_[array].options;
  factors.rate *= static_cast<T>(options.rate);
  factors.gradient_rate *= static_cast<T>(options.rate);
  if (options.decay) factors.decay = static_cast<T>(learning_rate() * options.rate * decay);
  return factors;
}

template <class T>
void Optimizer<T>::update_part(std::size_t array, Index begin, Index count, const T* gradient,
                               double scale) {
  const Index at = offsets_[array] + begin;
  simd::UpdateArrays<T> pointers{};
  pointers.w = arrays_[array].data + begin;
  if (spec_.use_ema) pointers.average = averages_.data() + at;
  for (int i = 0; i < rule_.slots; ++i) pointers.slots[i] = slots_[i].data() + at;
  if (gradient == nullptr) return run(simd::Update::average, pointers, count, factors_);
  pointers.g = gradient;

  simd::UpdateFactors<T> factors = factors_;
  // In two parts, since a scale that brings 1e38 down to 1 may be too small for a float.
  const bool tiny = scale > 0 && scale < 0x1p-100;
  factors.scale[0] = static_cast<T>(tiny ? scale * 0x1p100 : scale);
  factors.scale[1] = tiny ? static_cast<T>(0x1p-100) : T{1};
  if (is_matrix(array) || rule_.by_array) {
    pointers.w = rule_.by_array ? change(array) + begin : pointers.slots[1];
    pointers.average = nullptr;
    if (is_adafactor()) pointers.slots[0] = moments_.first(array) + begin;
    return run(rule(array).update, pointers, count, factors);
  }
  run(rule_.update, pointers, count, surrounded(array, factors));
}

template <class T>
void Optimizer<T>::update_matrix(const runtime::Team& team, std::size_t array) {
  const Index rows = arrays_[array].shape[0], cols = arrays_[array].shape[1];
  const T* change = orthogonalizer_.run(team, slot(array, 1), rows, cols);
  // Source of the scale: Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982.
  const double larger = std::sqrt(static_cast<double>(std::max(rows, cols)));
  const double rate = learning_rate() * arrays_[array].options.rate;
  apply_part(team, array, change, rate * (spec_.rms_rate == 0 ? 1.0 : larger * spec_.rms_rate));
  team.barrier();  // the result lies where the next matrix's will
}

// The thread's part of w -= rate * change, with what precedes and follows a rule.
template <class T>
void Optimizer<T>::apply_part(const runtime::Team& team, std::size_t array, const T* change,
                              double rate) {
  const runtime::Range part = team.share(elements(array), ops::element_grain);
  simd::UpdateArrays<T> pointers{};
  pointers.w = arrays_[array].data + part.begin;
  pointers.g = change + part.begin;
  if (spec_.use_ema) pointers.average = average(array) + part.begin;
  simd::UpdateFactors<T> factors = surrounded(array, factors_);
  factors.rate = static_cast<T>(rate);
  factors.clip = 0;
  run(simd::Update::sgd, pointers, part.size(), factors);
  if (constraints_.is_non_negative(array)) {
    constraints_.make_non_negative(array, part.begin, part.size());
  }
}

// Adafactor: what the first pass left of the matrices' gradients, over the roots of their moments.
template <class T>
void Optimizer<T>::divide_by_moments(const runtime::Team& team) {
  const auto each = [&](auto&& body) {
    for (std::size_t p = 0; p < arrays_.size(); ++p) {
      if (gradients_[p] != nullptr && is_matrix(p) && elements(p) > 0) body(p);
    }
    team.barrier();
  };
  each([&](std::size_t p) {
    moments_.move(team, p, change(p), factors_.one_minus_beta_2, factors_.epsilon);
  });
  each([&](std::size_t p) { moments_.average_rows(team, p); });
  const runtime::Range part = team.share(blocks_.size(), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto& [p, first, count] = blocks_[i];
    if (gradients_[p] != nullptr && is_matrix(p)) {
      moments_.divide(p, change(p) + first, first, count);
    }
  }
}

template <class T>
void Optimizer<T>::measure_changes(const runtime::Team& team) {
  const runtime::Range part = team.share(blocks_.size(), 1);
  for (Index i = part.begin; i < part.end; ++i) {
    const auto& [p, first, count] = blocks_[i];
    if (gradients_[p] == nullptr) continue;
    weight_norms_[static_cast<std::size_t>(i)] = ops::block_norm(arrays_[p].data + first, count);
    change_norms_[static_cast<std::size_t>(i)] = ops::block_norm(change(p) + first, count);
  }
}

// The factor of an array's change, after the weights lost their decay.
template <class T>
double Optimizer<T>::rate_by_norms(std::size_t array, double decay) const {
  const Index first = blocks_.begin(array), count = blocks_.end(array) - first;
  const double kept = std::abs(1 - decay);
  const double weights = kept * ops::combined_norm(weight_norms_.data() + first, count);
  const double changes = ops::combined_norm(change_norms_.data() + first, count);
  const double rate = arrays_[array].options.rate;
  if (is_adafactor()) {
    const double root = std::sqrt(static_cast<double>(elements(array)));
    const double larger = std::max(spec_.epsilon_2, weights / root);
    const double bounded = std::max(1.0, changes / root / spec_.clip_threshold);
    return rate * static_cast<double>(factors_.rate) * larger / bounded;
  }
  return rate * learning_rate() * (weights > 0 && changes > 0 ? weights / changes : 1.0);
}

template <class T>
void Optimizer<T>::apply_change(const runtime::Team& team, std::size_t array) {
  const auto decay = static_cast<double>(surrounded(array, factors_).decay);
  apply_part(team, array, change(array), rate_by_norms(array, decay));
}

template <class T>
void Optimizer<T>::run(simd::Update update, simd::UpdateArrays<T> arrays, Index count,
                       const simd::UpdateFactors<T>& factors) const {
  const auto& row = runtime::family<simd::OptimizerKernels<T>>().row[static_cast<int>(update)];
  const bool plain = arrays.average == nullptr && factors.decay == 0 && factors.clip == 0 &&
                     factors.scale[0] == 1 && factors.scale[1] == 1;
  (plain ? row.plain : row.full)(arrays, count, factors);
}

template <class T>
void Optimizer<T>::finalize(std::size_t array) {
  if (!spec_.use_ema || iterations() == 0) return;
  const StepLock lock(*this);
  std::copy_n(average(array), elements(array), arrays_[array].data);
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unitgain::nn
