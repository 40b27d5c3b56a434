// Values as sums of bfloat16 terms, in blocks that a packed panel is made of. For sources in simd/
// that hold AVX-512 kernels only; by intrinsics, since the vector library knows no bfloat16.
//
// The avx512 variant does not require AVX512_BF16, so its functions that use it say so
// (UNITGAIN_BF16), and run only where runtime::split_kernels has found it.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "simd/transpose.hpp"
#include "simd/vec.hpp"

#define UNITGAIN_BF16 [[gnu::target("avx512bf16")]]

namespace unitgain::simd::UNITGAIN_VARIANT {

// A block is 16 lines (rows of A, columns of B) of 32 values along the depth, so that either 16
// registers hold a line each, or 16 registers hold a pair of neighbours in depth of each line.
constexpr Index block_lines = 16;
constexpr Index block_depth = 32;
constexpr Index block_pairs = block_depth / 2;

enum class BlockOrder { lines, pairs };

// Value (i, p) is data[i * line_stride + p * depth_stride], zero from line `lines` and from depth
// `depth` on.
struct BlockSource {
  const float* data;
  Index line_stride;
  Index depth_stride;
  Index lines;
  Index depth;
};

// Bit patterns without the sign, in each lane; of the least that is not zero, one less, which makes
// zeros the greatest.
struct Magnitudes {
  __m512i least_less_one = _mm512_set1_epi32(-1);
  __m512i greatest = _mm512_setzero_si512();
};

UNITGAIN_INLINE void observe(Magnitudes& seen, __m512 values) {
  const __m512i bits = _mm512_and_si512(_mm512_castps_si512(values), _mm512_set1_epi32(0x7fffffff));
  seen.greatest = _mm512_maskz_max_epu32(0xffff, seen.greatest, bits);
  seen.least_less_one = _mm512_maskz_min_epu32(0xffff, seen.least_less_one,
                                               _mm512_sub_epi32(bits, _mm512_set1_epi32(1)));
}

UNITGAIN_INLINE ExponentRange exponent_range(const Magnitudes& seen) {
  alignas(64) std::uint32_t least[16], greatest[16];
  _mm512_store_si512(least, seen.least_less_one);
  _mm512_store_si512(greatest, seen.greatest);
  for (int i = 1; i < 16; ++i) {
    if (least[i] < least[0]) least[0] = least[i];
    if (greatest[i] > greatest[0]) greatest[0] = greatest[i];
  }
  const std::uint32_t lowest = least[0] == UINT32_MAX ? 255 : (least[0] + 1) >> 23;
  return {static_cast<std::int32_t>(lowest), static_cast<std::int32_t>(greatest[0] >> 23)};
}

UNITGAIN_INLINE __mmask16 first_lanes(Index n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
}

// The upper or lower 16 of 32 bfloat16 values, as floats. Masks of all lanes, here and elsewhere,
// since GCC 12 warns of what the intrinsics without one leave undefined.
template <int half>
UNITGAIN_INLINE __m512 widen(__m512i terms) {
  const __m256i part = _mm512_maskz_extracti64x4_epi64(0xf, terms, half);
  return _mm512_castsi512_ps(
      _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, part), 16));
}

// The terms of 16 + 16 values, in 32 lanes.
template <int terms>
UNITGAIN_BF16 UNITGAIN_INLINE void split(__m512 low, __m512 high, __m512i* term) {
#pragma GCC unroll 3
  for (int t = 0; t < terms; ++t) {
    term[t] = std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    if (t + 1 < terms) {
      low = _mm512_sub_ps(low, widen<0>(term[t]));
      high = _mm512_sub_ps(high, widen<1>(term[t]));
    }
  }
}

// Loads a block one of whose strides is 1, as the registers of each of its terms.
template <int terms, BlockOrder order>
UNITGAIN_BF16 UNITGAIN_INLINE void load_block(const BlockSource& source,
                                              NativeVector<float> (*block)[16], Magnitudes& seen) {
  const bool along_depth = source.depth_stride == 1;
  if (along_depth) {
    const __mmask16 low = first_lanes(source.depth), high = first_lanes(source.depth - 16);
#pragma GCC unroll 16
    for (Index i = 0; i < block_lines; ++i) {
      const float* line = source.data + (i < source.lines ? i : 0) * source.line_stride;
      const __mmask16 inside = i < source.lines ? 0xffff : 0;
      const __m512 x = _mm512_maskz_loadu_ps(low & inside, line);
      const __m512 y = _mm512_maskz_loadu_ps(high & inside, line + 16);
      observe(seen, x);
      observe(seen, y);
      __m512i term[terms];
      split<terms>(x, y, term);
#pragma GCC unroll 3
      for (int t = 0; t < terms; ++t) block[t][i] = std::bit_cast<NativeVector<float>>(term[t]);
    }
  } else {
    const __mmask16 lines = first_lanes(source.lines);
    const __m512i interleaved =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
#pragma GCC unroll 16
    for (Index q = 0; q < block_pairs; ++q) {
      const float* row = source.data + (2 * q < source.depth ? 2 * q : 0) * source.depth_stride;
      const bool second = 2 * q + 1 < source.depth;
      const __m512 x = _mm512_maskz_loadu_ps(2 * q < source.depth ? lines : 0, row);
      const __m512 y = _mm512_maskz_loadu_ps(second ? lines : 0,
                                             second ? row + source.depth_stride : source.data);
      observe(seen, x);
      observe(seen, y);
      __m512i term[terms];
      split<terms>(x, y, term);
#pragma GCC unroll 3
      for (int t = 0; t < terms; ++t) {
        block[t][q] = std::bit_cast<NativeVector<float>>(
            _mm512_maskz_permutexvar_epi16(0xffffffff, interleaved, term[t]));
      }
    }
  }
  if (along_depth != (order == BlockOrder::lines)) {
#pragma GCC unroll 3
    for (int t = 0; t < terms; ++t) transpose<float>(block[t]);
  }
}

// The block as it lies, or a copy of it in `copy` if neither stride is 1.
UNITGAIN_INLINE BlockSource with_unit_stride(const BlockSource& source, float* copy) {
  if (source.line_stride == 1 || source.depth_stride == 1) return source;
  const Index lines = source.lines < block_lines ? source.lines : block_lines;
  for (Index i = 0; i < lines; ++i) {
    for (Index p = 0; p < source.depth; ++p) {
      copy[i * block_depth + p] = source.data[i * source.line_stride + p * source.depth_stride];
    }
  }
  return {copy, block_depth, 1, lines, source.depth};
}

// A bfloat16 value, as it lies in memory.
UNITGAIN_INLINE float widen_one(const std::byte* term) {
  std::uint16_t bits;
  std::memcpy(&bits, term, sizeof bits);
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
