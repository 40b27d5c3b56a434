// Layers that draw in training, with counter-based random numbers: what is drawn depends on (key,
// stream, position) alone, so that the backward pass draws the same again and no mask is stored.
// Sources: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to
// prevent neural networks from overfitting", JMLR 15, 2014 (dropout, gaussian_dropout); Klambauer,
// Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017 (alpha_dropout);
// Xu, Wang, Chen and Li, "Empirical evaluation of rectified activations in convolutional network",
// 2015 (rrelu).
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/parallel.hpp"
#include "simd/kernels/noise.hpp"
#include "simd/kernels/tile_epilogue.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y may be x.
//   dropout(r)           y = x / (1 - r), or 0 with probability r
//   alpha_dropout(r)     y = a x + b, or a alpha' + b with probability r; alpha' is SELU's limit at
//                        -infinity, and a and b keep mean 0 and variance 1
//   gaussian_noise(s)    y = x + s z, z standard normal
//   gaussian_dropout(r)  y = x (1 + sqrt(r / (1 - r)) z)
//   rrelu(l, u)          y = x for x >= 0, else x times a slope drawn evenly from [l, u]
// The probability of dropping is exactly round(r 2^32) / 2^32.
template <class T>
void noise(const runtime::Team& team, const NoiseSpec& spec, const T* x, T* y, Index n,
           std::uint64_t key, std::uint64_t stream);

// gradient = upstream dy/dx for what noise() drew; the gradient may be written over x or upstream.
// x matters to rrelu alone.
template <class T>
void noise_gradient(const runtime::Team& team, const NoiseSpec& spec, const T* x, const T* upstream,
                    T* gradient, Index n, std::uint64_t key, std::uint64_t stream);

// The axes of an array, and how far apart what they share lies: 0 along the axes that share it.
struct SharedAxes {
  std::vector<Index> sizes, strides;
  Index count = 1;  // how much is shared

  // `shared[i]`: whether the values along axis i share.
  SharedAxes(const std::vector<Index>& all, const std::vector<bool>& shared);
};

// What noise() does to a value x, as x factor + shift, for n values that others share.
template <class T>
void noise_to_share(const runtime::Team& team, const NoiseSpec& spec, T* factor, T* shift, Index n,
                    std::uint64_t key, std::uint64_t stream);

// y = x factor + shift, without the shift if it is null; y may be x.
template <class T>
void apply_shared(const runtime::Team& team, const SharedAxes& axes, const T* x, const T* factor,
                  const T* shift, T* y);

// Words of a mask of n values, with the one that its readers may read beyond.
inline Index dropout_mask_words(Index n) {
  return (n + simd::noise_group - 1) / simd::noise_group + 1;
}

// The mask of dropout for n values: bit i % 64 of word i / 64 is set if noise() keeps value i with
// the same key and stream.
void dropout_mask(const runtime::Team& team, const NoiseSpec& spec, Index n, std::uint64_t key,
                  std::uint64_t stream, std::uint64_t* bits);

// The mask for the epilogue of a product of `cols` columns.
template <class T>
simd::DropoutMask<T> dropout_epilogue(const NoiseSpec& spec, const std::uint64_t* bits, Index cols);

}  // namespace unitgain::ops
