// Random numbers of layers.
#pragma once

#include <cstdint>

#include "unitgain/rows/noise.hpp"
#include "unitgain/types.hpp"

namespace unitgain::simd {

// Where the random words of n values come from: position first + i of a stream of a key. The words
// are Philox4x32-10's, in groups of 64 positions that share 16 counters: with g = p / 64, position
// p has word p % 64 / 16 of the counter {low(c), high(c), low(stream), high(stream)}, c = 16 g + p
// % 16.
inline constexpr int noise_group = 64;
struct RandomPlace {
  std::uint64_t key;
  std::uint64_t stream;
  std::uint64_t first;
};

// A NoiseSpec in the kernels' terms, made by ops/noise.hpp.
template <class T>
struct NoiseSettings {
  std::uint32_t threshold;  // words from it on are kept
  T scale;
  T shift;
  T dropped;  // what stands in the place of a value that is dropped
};

// With w the word of i's position, u = (floor(w / 2) + 1/2) / 2^31, and z the standard normal that
// the words of its group give:
//   dropout           y = w >= threshold ? x scale : 0
//   alpha_dropout     y = w >= threshold ? x scale + shift : dropped
//   gaussian_noise    y = x + (z scale + shift)
//   gaussian_dropout  y = x (z scale + shift)
//   rrelu             y = x < 0 ? x (u scale + shift) : x
template <class T>
struct NoiseKernel {
  // In place allowed.
  void (*forward)(const T* x, T* y, Index n, const RandomPlace& place,
                  const NoiseSettings<T>& settings);
  // gradient = upstream dy/dx; x is read by rrelu alone, but is to be n values for all. gradient
  // may equal x or upstream.
  void (*gradient)(const T* x, const T* upstream, T* gradient, Index n, const RandomPlace& place,
                   const NoiseSettings<T>& settings);
};

template <class T>
struct NoiseKernels {
  NoiseKernel<T> row[noise_count];
  // Bit i of word g: whether the word of position place.first + 64 g + i reaches the threshold.
  // place.first is a multiple of 64.
  void (*keep_bits)(std::uint64_t* bits, Index groups, const RandomPlace& place,
                    std::uint32_t threshold);
};

}  // namespace unitgain::simd
