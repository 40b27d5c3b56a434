// Newton-Schulz iterations, by which Muon makes the singular values of an update about equal.
#pragma once

#include <vector>

#include "base/aligned_buffer.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/optimizer.hpp"

namespace unitgain::nn {

// X = X / (|X| + 1e-7), then so many times X = a X + (b G + c G^2) X with G = X X^T, or from the
// right with G = X^T X, whichever is smaller.
// Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
template <class T>
class Orthogonalizer {
 public:
  explicit Orthogonalizer(const OptimizerSpec& spec) : spec_(spec) {}

  // Memory for matrices of at most this size, whose products have the precision in force.
  void reserve(Index rows, Index cols, int threads);
  // Returns where the result is, in x or not; the whole team has passed a barrier before. x must
  // be visible to the team at the call.
  const T* run(const runtime::Team& team, T* x, Index rows, Index cols);
  double work(Index rows, Index cols) const;

 private:
  void normalize(const runtime::Team& team, T* x, Index n);

  OptimizerSpec spec_;
  Precision precision_ = Precision::highest;
  base::AlignedBuffer<T> next_, gram_, polynomial_;
  base::AlignedBuffer<std::byte> workspace_;
  std::vector<double> norms_;
};

}  // namespace unitgain::nn
