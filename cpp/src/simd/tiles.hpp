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

class Tiles {
 public:
  static void configure() {}
  static void release() {}

  template <int tile>
  UNITGAIN_INLINE void zero() {
    std::memset(bytes_[tile], 0, tile_bytes);
  }
  template <int tile, int offset = 0>
  UNITGAIN_INLINE void load(const std::byte* from) {
    std::memcpy(bytes_[tile], from + offset, tile_bytes);
  }
  template <int tile>
  UNITGAIN_INLINE void store(float* to, Index row_stride) const {
    for (Index i = 0; i < tile_lines; ++i) {
      std::memcpy(to + i * row_stride, bytes_[tile] + i * tile_line_bytes, tile_line_bytes);
    }
  }

  // What the manual's operation says (Intel 64 and IA-32 Architectures Software Developer's Manual,
  // volume 2, TDPBF16PS): the products of even depths and those of odd depths are summed by fused
  // multiply-adds, each from zero, and the two sums' sum is added to C. Denormals are zeros to
  // every operation, on both sides, and rounding is to nearest. Not told apart: results that round
  // to the least normal number from below, and to less in a denormal's precision.
  template <int c, int a, int b>
  UNITGAIN_INLINE void multiply_add() {
    Vec<float> right[tile_lines][2];
    for (Index pair = 0; pair < tile_lines; ++pair) {
      const Words words = load_words(bytes_[b] + pair * tile_line_bytes);
      right[pair][0] = even(words);
      right[pair][1] = odd(words);
    }
    for (Index i = 0; i < tile_lines; ++i) {
      std::byte* row = bytes_[c] + i * tile_line_bytes;
      Vec<float> sum[2] = {0.0f, 0.0f};
      for (Index pair = 0; pair < tile_lines; ++pair) {
        std::uint32_t word;
        std::memcpy(&word, bytes_[a] + i * tile_line_bytes + pair * 4, sizeof word);
        sum[0] = flushed(fused_sum(even(Words(word)), right[pair][0], sum[0]));
        sum[1] = flushed(fused_sum(odd(Words(word)), right[pair][1], sum[1]));
      }
      const Vec<float> before = flushed(std::bit_cast<Vec<float>>(load_words(row)));
      const Vec<float> after = flushed(before + flushed(sum[0] + sum[1]));
      std::memcpy(row, &after, sizeof after);
    }
  }

 private:
  using Words = stdx::rebind_simd_t<std::uint32_t, Vec<float>>;
  static_assert(sizeof(Vec<float>) == tile_line_bytes);

  UNITGAIN_INLINE static Words load_words(const std::byte* from) {
    Words words;
    std::memcpy(&words, from, sizeof words);
    return words;
  }
  UNITGAIN_INLINE static Vec<float> even(Words words) {
    return flushed(std::bit_cast<Vec<float>>(words << 16));
  }
  UNITGAIN_INLINE static Vec<float> odd(Words words) {
    return flushed(std::bit_cast<Vec<float>>(words & 0xffff0000u));
  }
  UNITGAIN_INLINE static Vec<float> fused_sum(Vec<float> x, Vec<float> y, Vec<float> sum) {
    return simd::UNITGAIN_VARIANT::multiply_add<float>(x, y, sum);
  }
  UNITGAIN_INLINE static Vec<float> flushed(Vec<float> x) {
    stdx::where(stdx::abs(x) < 0x1p-126f, x) *= 0.0f;
    return x;
  }

  alignas(64) std::byte bytes_[8][tile_bytes];
};

#else

// Palette 1.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

class Tiles {
 public:
  // Around a thread's use of tiles.
  UNITGAIN_INLINE static void configure() {
    static constexpr TileConfiguration configuration;
    __asm__ volatile("ldtilecfg %0" : : "m"(configuration));
  }
  UNITGAIN_INLINE static void release() { __asm__ volatile("tilerelease"); }

  template <int tile>
  UNITGAIN_INLINE void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  // A tile whose rows follow each other.
  template <int tile, int offset = 0>
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
