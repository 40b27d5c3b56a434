// The penalties of an optimizer's arrays: their sum, and their gradients.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "nn/array_blocks.hpp"
#include "nn/orthogonality.hpp"

namespace unitgain::nn {

template <class T>
class Penalties {
 public:
  // Refers to both.
  Penalties(const std::vector<OptimizedArray<T>>& arrays, const ArrayBlocks& blocks)
      : arrays_(arrays), blocks_(blocks) {
    read_options();
  }

  // To be called when the arrays' options have changed.
  void read_options();
  bool any() const { return any_; }
  // Whether each weight has its own, which add_to() adds.
  bool is_elementwise(std::size_t array) const {
    const PenaltySpec& spec = arrays_[array].options.penalty;
    return spec.l1 != 0 || spec.l2 != 0;
  }
  double work() const { return work_; }

  // On one thread, before a team takes the penalties: what the embedding program computes.
  void begin(int threads);
  // Adds to the gradients (null: none) what does not go weight by weight; they must be visible to
  // the team, and are again when this returns.
  void add_whole(const runtime::Team& team, T* const* gradients);
  // gradient = ((g + that of |w| and w^2) + sum) * scale for a block of the weights as they are
  // now; of which it takes the magnitudes. sum may be null.
  void add_to(Index block, const T* g, const T* sum, T scale, T* gradient);
  // The sum of all, of the blocks that add_to() saw last.
  double value() const;
  // The sum of all for the weights as they are now, which nobody may change meanwhile.
  double measure(int threads);
  // In a forked child: another thread of the parent's may have been measuring.
  void renew_lock() {
    static_cast<void>(mutex_.release());
    mutex_ = std::make_unique<std::mutex>();
  }

 private:
  struct Magnitudes {
    double sums[2];
  };
  void take_magnitudes(Index block);

  const std::vector<OptimizedArray<T>>& arrays_;
  const ArrayBlocks& blocks_;
  bool any_ = false, any_whole_ = false;
  double work_ = 0;
  std::vector<Magnitudes> magnitudes_;                 // of each block
  std::vector<double> whole_;                          // of each array: what goes not by weight
  std::vector<base::AlignedBuffer<T>> own_gradients_;  // of each array, of custom penalties
  Orthogonality<T> orthogonality_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();  // of measure()
};

}  // namespace unitgain::nn
