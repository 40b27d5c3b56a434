// Counter-based random numbers: every value is a function of (key, stream, position), so that it
// does not matter which thread asks, or in what order. Source: Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::runtime {

// Philox4x32-10: four words for one 128-bit counter and one 64-bit key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// The words of one stream, by position: word p is word p % 4 of the counter {low(p / 4), high(p /
// 4), low(stream), high(stream)} under the key {low(key), high(key)}.
class RandomStream {
 public:
  RandomStream(std::uint64_t key, std::uint64_t stream) : key_(key), stream_(stream) {}

  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  // 64 random bits: words 2 i and 2 i + 1.
  std::uint64_t bits(std::uint64_t i) const;
  // Uniform in [0, 1), a multiple of 2^-53.
  double uniform(std::uint64_t i) const;

 private:
  std::uint64_t key_;
  std::uint64_t stream_;
};

// Fill `out`; value i depends on (stream, i) alone.
template <class T>
void fill_uniform(const RandomStream& stream, T* out, Index n, double low, double high);
template <class T>
void fill_normal(const RandomStream& stream, T* out, Index n, double mean, double deviation);
// A normal distribution with what lies beyond two standard deviations drawn again.
template <class T>
void fill_truncated_normal(const RandomStream& stream, T* out, Index n, double mean,
                           double deviation);
// A random order of 0 ... n - 1, every order equally likely.
void fill_permutation(const RandomStream& stream, Index* out, Index n);

}  // namespace unitgain::runtime
