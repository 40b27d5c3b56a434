// Products of 8-bit operands by VPDPBUSD, on CPUs with AVX512_VNNI: four products of an unsigned
// and a signed byte are added to each sum, exactly.
//
// Assumptions:
// - a tile is 11 x 32: more rows would fit the vector registers, but their addresses not the other
//   ones, and run up to 3% slower. On Zen 4 the tile comes to 95% of the instruction's peak;
// - a quantized value takes 8 bits.
//
// The avx512 variant does not require AVX512_VNNI, so the functions that use it say so, and run
// only where runtime::int8_kernels has found it.
#include "simd/kernels/int8_gemm.hpp"
#include "simd/variant.hpp"

#if defined(__AVX512F__) && !defined(UNITGAIN_TILES)

#define UNITGAIN_DOT [[gnu::target("avx512vnni")]]
#include "simd/int8_tile.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

struct ByteDot {
  static constexpr Index group = 4;
  using Value = std::uint8_t;
  using Sum [[gnu::vector_size(register_bytes)]] = std::int32_t;
  using Right = __m512i;
  static constexpr Index right_bytes = register_bytes;

  UNITGAIN_DOT static inline __attribute__((always_inline)) Right load(const std::byte* p) {
    return _mm512_loadu_si512(p);
  }
  UNITGAIN_DOT static inline __attribute__((always_inline)) Sum add(Sum sum, std::int32_t word,
                                                                    Right right) {
    return std::bit_cast<Sum>(
        _mm512_dpbusd_epi32(std::bit_cast<__m512i>(sum), _mm512_set1_epi32(word), right));
  }
};

constexpr int tile_rows = 11;

}  // namespace

constinit const Int8GemmKernels int8_gemm_vnni = int8_kernels<ByteDot, tile_rows>(nullptr);

}  // namespace unitgain::simd::UNITGAIN_VARIANT

#endif
