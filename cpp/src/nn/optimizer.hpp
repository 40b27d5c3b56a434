// The update of all trainable parameters from their gradients.
#pragma once

#include <vector>

#include "base/aligned_buffer.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/network.hpp"

namespace unitgain::nn {

// The gradients and the optimizer's own values (momentum, moments) of all parameters, each kind in
// one contiguous piece of memory with every parameter at a cache line.
template <class T>
class Optimizer {
 public:
  Optimizer(const OptimizerSpec& spec, const std::vector<ParameterPtr<T>>& parameters);

  T* gradient(std::size_t parameter) const { return gradients_.data() + offsets_[parameter]; }
  OptimizerSpec& spec() { return spec_; }
  std::int64_t iterations() const { return iterations_; }

  // Counts the step that the next calls of update() make.
  void begin_step() { ++iterations_; }
  void update(const runtime::Team& team) const;
  double work() const;

 private:
  OptimizerSpec spec_;
  std::vector<ParameterPtr<T>> parameters_;
  std::vector<Index> offsets_;
  Index size_ = 0;
  base::AlignedBuffer<T> gradients_, first_, second_;
  std::int64_t iterations_ = 0;
};

}  // namespace unitgain::nn
