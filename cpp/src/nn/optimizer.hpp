// The update of all arrays of weights from their gradients, in one pass.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "nn/orthogonalize.hpp"
#include "nn/update_rule.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::nn {

// The optimizer's own values (momentum, moments, averages) lie in one contiguous piece of memory a
// kind, with every array at a cache line. A team divides that length among its members, whatever
// the arrays' number and sizes.
template <class T>
class Optimizer {
 public:
  Optimizer(const OptimizerSpec& spec, std::vector<OptimizedArray<T>> arrays);

  // One step on as many threads as it is worth, or on `threads` if that is not 0. A null gradient
  // leaves its array as it is.
  void apply(std::vector<const T*> gradients, int threads = 0);

  // The same in two parts, for a team that is there: the first on one thread before, the second on
  // each member.
  void begin_step(std::vector<const T*> gradients, int threads);
  void update(const runtime::Team& team);
  // What it takes on one thread, in nanoseconds, roughly.
  double work() const { return work_; }

  // Puts the array's average in its place; nothing if none is kept yet.
  void finalize(std::size_t array);

  const std::vector<OptimizedArray<T>>& arrays() const { return arrays_; }
  // Where array i would lie in a piece of memory with all arrays at cache lines, and its length.
  Index offset(std::size_t array) const { return offsets_[array]; }
  Index size() const { return size_; }
  // Of what it keeps between steps.
  Index bytes() const {
    Index values = averages_.size();
    for (const auto& slot : slots_) values += slot.size();
    return values * static_cast<Index>(sizeof(T));
  }

  double learning_rate() const { return learning_rate_.load(std::memory_order_relaxed); }
  void set_learning_rate(double rate) { learning_rate_.store(rate, std::memory_order_relaxed); }
  std::int64_t iterations() const { return iterations_.load(std::memory_order_relaxed); }
  void set_iterations(std::int64_t iterations);

  // What the rule keeps for an array, by its slots' names.
  const UpdateRule& rule(std::size_t array) const { return is_matrix(array) ? matrix_ : rule_; }
  T* slot(std::size_t array, int number) const { return slots_[number].data() + offsets_[array]; }
  T* average(std::size_t array) const {  // null if none is kept
    return spec_.use_ema ? averages_.data() + offsets_[array] : nullptr;
  }

 private:
  bool is_matrix(std::size_t array) const { return is_matrix_[array]; }
  Index elements(std::size_t array) const { return sizes_[array]; }
  bool by_norm() const {
    return spec_.clipping == Clipping::norm || spec_.clipping == Clipping::global_norm;
  }
  void measure(const runtime::Team& team);
  double scale(std::size_t array) const;
  void update_part(std::size_t array, Index begin, Index count, double scale);
  void update_matrix(const runtime::Team& team, std::size_t array);
  void run(simd::Update update, simd::UpdateArrays<T> arrays, Index count,
           const simd::UpdateFactors<T>& factors) const;
  simd::UpdateFactors<T> surrounded(std::size_t array, simd::UpdateFactors<T> factors) const;

  // A part of an array's gradient, whose norm is taken at once.
  struct Block {
    std::size_t array;
    Index first;
  };

  OptimizerSpec spec_;
  std::vector<OptimizedArray<T>> arrays_;
  UpdateRule rule_, matrix_;
  std::vector<Index> offsets_, sizes_;
  std::vector<bool> is_matrix_;
  Index size_ = 0;
  double work_ = 0;
  base::AlignedBuffer<T> slots_[3], averages_;
  Orthogonalizer<T> orthogonalizer_;
  bool has_matrices_ = false;
  std::vector<Block> blocks_;
  std::vector<Index> first_blocks_;  // of each array, and their number
  std::vector<double> norms_;

  std::mutex mutex_;  // one step at a time
  std::atomic<double> learning_rate_;
  std::atomic<std::int64_t> iterations_{0};
  double momentum_product_ = 1;  // Nadam's
  std::vector<const T*> gradients_;
  simd::UpdateFactors<T> factors_{};
};

}  // namespace unitgain::nn
