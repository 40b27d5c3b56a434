// The nearest centres by products of 16-bit integers, twice as fast as those of floats, for the
// samples that they can tell.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "ops/distances.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels/screen.hpp"
#include "unitgain/cluster.hpp"

namespace unitgain::cluster {

// With x and c without some row m that is near to both, x = x' + e, c = c' + f, where x' and c' are
// integers times a scale each, |x.c - x'.c'| <= ||e|| ||c|| + (||x|| + ||e||) ||f||. A squared
// distance is off by twice as much, and by the rounding of a few operations on floats.
template <class T>
class Screen {
 public:
  // Whether there are kernels for it here, and samples enough to pay for making integers of them.
  static bool pays(const MatrixView<const T>& x, Index clusters);

  Screen(const Samples<T>& samples, Index clusters, int threads);

  // For a team: the samples as integers.
  void take_samples(const runtime::Team& team);
  // For one thread: the centres as they are, whose mean is `shift`; others may look from then on.
  void take_centers(const MatrixView<const T>& centers, const T* shift);

  // As ops::SampleBlock::take_nearest, of at most ops::most_block_rows rows. slacks bounds what
  // values + squares and seconds + squares are off by, squares being ||x - m||^2.
  void find_nearest(int rank, Index first, Index rows, const std::int32_t* order,
                    std::int32_t* labels, T* values, T* seconds, T* squares, T* slacks);
  // How far m is from the centres' mean.
  double apart() const { return apart_; }

 private:
  const simd::ScreenKernels<T>& kernels_;
  MatrixView<const T> x_;
  Index clusters_, stride_;
  base::AlignedBuffer<T> shift_, centered_;
  base::AlignedBuffer<std::int16_t> integers_;
  base::AlignedBuffer<float> scales_, norms_, errors_;  // of each sample
  // The centres'.
  base::AlignedBuffer<std::int16_t> center_integers_;
  base::AlignedBuffer<std::int32_t> panels_;
  base::AlignedBuffer<float> offsets_, steps_;
  float largest_norm_ = 0, largest_error_ = 0;
  double apart_ = 0;
  std::vector<base::AlignedBuffer<std::int32_t>> scratch_;  // of each thread
};

}  // namespace unitgain::cluster
