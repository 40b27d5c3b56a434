// Batches of mixed samples, for training that generalises between them.
// Sources: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR
// 2018; Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
// features", ICCV 2019.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/network.hpp"

namespace unitgain::ops {

// The mixture of one sample: a position in the samples' order to mix it with, the share of itself
// that stays, and for Mixing::box the rows and columns of pixels that go.
struct Mixture {
  Index other;
  double share;
  Index top, bottom, left, right;
};

// The mixture of the sample at place i of a batch.
Mixture mixture(const Samples& samples, std::uint64_t step, Index i);

// As gather_rows of samples.x[input] and of samples.y[output].values, with samples.mix applied:
// every input and output of a sample is mixed with the same other, by the same share.
template <class T>
void read_inputs(const runtime::Team& team, const Samples& samples, std::size_t input,
                 std::uint64_t step, Index first, Index count, T* out, Index out_stride);
template <class T>
void read_targets(const runtime::Team& team, const Samples& samples, std::size_t output,
                  std::uint64_t step, Index first, Index count, T* out);

}  // namespace unitgain::ops
