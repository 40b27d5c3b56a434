// The update of all arrays of weights from their gradients, in one pass.
#pragma once

#include <atomic>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "nn/array_blocks.hpp"
#include "nn/constraint.hpp"
#include "nn/factored_moments.hpp"
#include "nn/orthogonalize.hpp"
#include "nn/penalty.hpp"
#include "nn/steps.hpp"
#include "nn/update_rule.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::nn {

// The optimizer's own values (momentum, moments, averages) lie in one contiguous piece of memory a
// kind, with every array at a cache line. A team divides that length among its threads, whatever
// the arrays' number and sizes.
template <class T>
class Optimizer final : public Stepped {
 public:
  Optimizer(const OptimizerSpec& spec, std::vector<OptimizedArray<T>> arrays);
  ~Optimizer() override { withdraw(); }

  // One step on as many threads as it is worth, or on `threads` if that is not 0. A null gradient
  // leaves its array as it is. The gradients are taken to be those of the penalties, too.
  void apply(std::vector<const T*> gradients, int threads = 0);

  // The same in three parts, for a team that is there and a caller that holds steps() alone: the
  // first on one thread before, the second on each thread, the third on the first thread. If the
  // gradients can be written to, by `penalized`, those of the penalties are added.
  void begin_step(std::vector<const T*> gradients, int threads, T* const* penalized = nullptr);
  void update(const runtime::Team& team);
  void finish_step();

  // Adds the penalties' gradients to these, which the team must see. `begin` as for a step.
  void begin_penalties(int threads) { penalties_.begin(threads); }
  void add_penalties(const runtime::Team& team, T* const* gradients);
  // The sum of all penalties, as the last step or add_penalties() met it; and as it is now.
  double penalty() const { return penalties_.value(); }
  double measure_penalty(int threads) { return penalties_.measure(threads); }

  // Changes how arrays are treated, between two steps.
  void set_options(const std::vector<UpdateOptions>& options);
  // Its cost on one thread, in nanoseconds, roughly.
  double work() const { return work_; }

  // Puts the array's average in its place; nothing if none is kept yet.
  void finalize(std::size_t array);

  const std::vector<OptimizedArray<T>>& arrays() const { return arrays_; }
  // Where array i would lie in a piece of memory with all arrays at cache lines, and its length.
  Index offset(std::size_t array) const { return offsets_[array]; }
  Index size() const { return size_; }
  // Of what it keeps between steps.
  Index bytes() const {
    Index values = averages_.size() + accumulated_.size() + moments_.size();
    for (const auto& slot : slots_) values += slot.size();
    return values * static_cast<Index>(sizeof(T));
  }

  double learning_rate() const { return learning_rate_.load(std::memory_order_relaxed); }
  void set_learning_rate(double rate) { learning_rate_.store(rate, std::memory_order_relaxed); }
  // The calls so far; with accumulation, several make a step.
  std::int64_t iterations() const { return iterations_.load(std::memory_order_relaxed); }
  void set_iterations(std::int64_t iterations);
  // The scale of the loss, and the steps since it changed; 0 if there is none.
  double loss_scale() const { return loss_scale_; }
  void set_loss_scale(double scale) { loss_scale_ = scale; }
  std::int64_t scaled_steps() const { return scaled_steps_; }
  void set_scaled_steps(std::int64_t steps) { scaled_steps_ = steps; }

  // The state of an array between steps, by its names.
  struct State {
    const char* name;
    T* data;
    std::vector<Index> shape;
  };
  std::vector<State> state(std::size_t array) const;
  const UpdateRule& rule(std::size_t array) const { return is_matrix(array) ? matrix_ : rule_; }
  T* slot(std::size_t array, int number) const { return slots_[number].data() + offsets_[array]; }
  T* average(std::size_t array) const {  // null if none is kept
    return spec_.use_ema ? averages_.data() + offsets_[array] : nullptr;
  }
  T* accumulated(std::size_t array) const {  // the gradients' sum; null if none is kept
    return accumulates() ? accumulated_.data() + offsets_[array] : nullptr;
  }

 private:
  void renew_locks() override { penalties_.renew_lock(); }
  bool is_matrix(std::size_t array) const { return is_matrix_[array]; }
  Index elements(std::size_t array) const { return sizes_[array]; }
  bool by_norm() const {
    return spec_.clipping == Clipping::norm || spec_.clipping == Clipping::global_norm ||
           skips_infinite();
  }
  bool skips_infinite() const { return spec_.loss_scale > 0; }
  void skip(const runtime::Team& team);
  bool accumulates() const { return spec_.accumulation_steps > 1; }
  // Whether a block's gradient is not what the caller gave.
  bool is_changed(std::size_t array) const {
    return accumulates() || (penalized_ != nullptr && penalties_.is_elementwise(array));
  }
  const T* gradient(const runtime::Team& team, Index block);
  const OptimizerSpec& scheduled();
  void measure(const runtime::Team& team);
  double scale(std::size_t array) const;
  void update_shares(const runtime::Team& team, double scale_of_all);
  void update_blocks(const runtime::Team& team, double scale_of_all);
  void accumulate(const ArrayBlock& block, Index number);
  void update_part(std::size_t array, Index begin, Index count, const T* gradient, double scale);
  void update_matrix(const runtime::Team& team, std::size_t array);
  bool is_adafactor() const { return spec_.kind == OptimizerKind::adafactor; }
  T* change(std::size_t array) const { return slot(array, rule_.slots); }
  void divide_by_moments(const runtime::Team& team);
  void measure_changes(const runtime::Team& team);
  double rate_by_norms(std::size_t array, double decay) const;
  void apply_change(const runtime::Team& team, std::size_t array);
  void apply_part(const runtime::Team& team, std::size_t array, const T* change, double rate);
  void run(simd::Update update, simd::UpdateArrays<T> arrays, Index count,
           const simd::UpdateFactors<T>& factors) const;
  simd::UpdateFactors<T> surrounded(std::size_t array, simd::UpdateFactors<T> factors) const;

  OptimizerSpec spec_;
  std::vector<OptimizedArray<T>> arrays_;
  UpdateRule rule_, matrix_;
  std::vector<Index> offsets_, sizes_;
  std::vector<bool> is_matrix_;
  Index size_ = 0;
  double work_ = 0;
  base::AlignedBuffer<T> slots_[3], averages_, accumulated_;
  base::AlignedBuffer<T> scratch_;  // a block for each thread
  Orthogonalizer<T> orthogonalizer_;
  bool has_matrices_ = false;
  ArrayBlocks blocks_;
  std::vector<double> norms_;  // of the blocks' gradients
  // Of the blocks' weights and changes, for rules that need those of whole arrays.
  std::vector<double> weight_norms_, change_norms_;
  FactoredMoments<T> moments_;  // Adafactor's
  Penalties<T> penalties_;
  Constraints<T> constraints_;

  std::atomic<double> learning_rate_;
  std::atomic<std::int64_t> iterations_{0};
  double momentum_product_ = 1;  // Nadam's
  double last_product_ = 1;      // before this step
  bool skipped_ = false;         // whether this step is left out
  double loss_scale_ = 0;
  std::int64_t scaled_steps_ = 0;
  std::vector<const T*> gradients_;
  T* const* penalized_ = nullptr;  // the same, if penalties are to be added
  bool completes_ = true;          // whether this call makes a step
  simd::UpdateFactors<T> factors_{};
};

}  // namespace unitgain::nn
