// AMX's eight tile registers, each of 16 rows of 64 bytes. For sources in simd/ that define kernels
// under UNITGAIN_TILES; by inline assembly, since the compilers' intrinsics take no template
// argument for a register, and do not tell that a load reads memory.
//
// With UNITGAIN_EMULATE_AMX the registers are arrays and the operations loops over them, for tests
// on CPUs with AVX-512 alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constexpr Index tile_lines = 16;
constexpr Index tile_line_bytes = 64;
constexpr Index tile_bytes = tile_lines * tile_line_bytes;

#if defined(UNITGAIN_EMULATE_AMX)

namespace emulated {

using Words = Vec<std::uint32_t>;
static_assert(sizeof(Words) == tile_line_bytes);

UNITGAIN_INLINE Words load_words(const std::byte* from) {
  Words words;
  std::memcpy(&words, from, sizeof words);
  return words;
}
// Denormals are zeros to every operation, on both sides. Not told apart are sums that round to the
// least normal number from below, and those that do so in a denormal's precision alone.
UNITGAIN_INLINE Vec<float> flushed(Vec<float> x) {
  where(abs(x) < 0x1p-126f, x) *= 0.0f;
  return x;
}
UNITGAIN_INLINE Vec<float> even(Words words) {
  return flushed(std::bit_cast<Vec<float>>(words << 16));
}
UNITGAIN_INLINE Vec<float> odd(Words words) {
  return flushed(std::bit_cast<Vec<float>>(words & 0xffff0000u));
}

// The operation in the manual (Intel 64 and IA-32 Architectures Software Developer's Manual,
// volume 2, TDPBF16PS): the products of even depths and those of odd depths are summed by fused
// multiply-adds, each from zero, and the two sums' sum is added to C, all rounded to nearest.
[[gnu::noinline, maybe_unused]] static void multiply_add(std::byte* c, const std::byte* a,
                                                         const std::byte* b) {
  Vec<float> right[tile_lines][2];
  for (Index pair = 0; pair < tile_lines; ++pair) {
    const Words words = load_words(b + pair * tile_line_bytes);
    right[pair][0] = even(words);
    right[pair][1] = odd(words);
  }
  for (Index i = 0; i < tile_lines; ++i, a += tile_line_bytes, c += tile_line_bytes) {
    Vec<float> sum[2] = {0.0f, 0.0f};
    for (Index pair = 0; pair < tile_lines; ++pair) {
      std::uint32_t word;
      std::memcpy(&word, a + pair * 4, sizeof word);
      const Vec<float> left[2] = {even(Words(word)), odd(Words(word))};
      for (int t = 0; t < 2; ++t) {
        sum[t] = flushed(fused(left[t], right[pair][t], sum[t]));
      }
    }
    const Vec<float> before = flushed(std::bit_cast<Vec<float>>(load_words(c)));
    const Vec<float> after = flushed(before + flushed(sum[0] + sum[1]));
    std::memcpy(c, &after, sizeof after);
  }
}

}  // namespace emulated

class Tiles {
 public:
  UNITGAIN_INLINE static void configure() {}
  UNITGAIN_INLINE static void release() {}

  template <int tile>
  UNITGAIN_INLINE void zero() {
    std::memset(bytes_[tile], 0, tile_bytes);
  }
  template <int tile, int offset>
  UNITGAIN_INLINE void load(const std::byte* from) {
    std::memcpy(bytes_[tile], from + offset, tile_bytes);
  }
  template <int tile>
  UNITGAIN_INLINE void store(float* to, Index row_stride) const {
    for (Index i = 0; i < tile_lines; ++i) {
      std::memcpy(to + i * row_stride, bytes_[tile] + i * tile_line_bytes, tile_line_bytes);
    }
  }
  template <int c, int a, int b>
  UNITGAIN_INLINE void multiply_add() {
    emulated::multiply_add(bytes_[c], bytes_[a], bytes_[b]);
  }

 private:
  alignas(64) std::byte bytes_[8][tile_bytes];
};

#else

// Palette 1.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfiguration tile_configuration;

class Tiles {
 public:
  // Around a thread's use of tiles.
  UNITGAIN_INLINE static void configure() {
    __asm__ volatile("ldtilecfg %0" : : "m"(tile_configuration));
  }
  UNITGAIN_INLINE static void release() { __asm__ volatile("tilerelease"); }

  template <int tile>
  UNITGAIN_INLINE void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  // From `offset` bytes on, rows that follow each other.
  template <int tile, int offset>
  UNITGAIN_INLINE void load(const std::byte* from) {
    __asm__ volatile("tileloadd %c1(%2,%3,1), %%tmm%c0"
                     :
                     : "i"(tile), "i"(offset), "r"(from), "r"(tile_line_bytes)
                     : "memory");
  }
  template <int tile>
  UNITGAIN_INLINE void store(float* to, Index row_stride) const {
    __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)"
                     :
                     : "i"(tile), "r"(to), "r"(row_stride * Index{sizeof(float)})
                     : "memory");
  }
  // c += a b, of 32 bfloat16 values in each row of a and the pairs of 16 columns in each of b.
  template <int c, int a, int b>
  UNITGAIN_INLINE void multiply_add() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
};

#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT
