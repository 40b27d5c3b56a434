// Products of 8-bit operands by products of 16-bit pairs (PMADDWD), which every CPU has and which
// are exact. PMADDUBSW multiplies twice as many, but sums of two of its products saturate.
//
// Assumptions:
// - a quantized value takes 16 bits, a weight 8, which are widened as they are loaded: once for all
//   rows of the tile;
// - the tile's sums, the widened weights of its columns, a broadcast word of a row and a product
//   fill the register file.
#include "simd/kernels/int8_gemm.hpp"
#include "simd/variant.hpp"

#if !defined(UNITGAIN_TILES)

#define UNITGAIN_DOT
#include "simd/int8_tile.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

struct PairDot {
  static constexpr Index group = 2;
  using Value = std::uint16_t;
  using Sum [[gnu::vector_size(register_bytes)]] = std::int32_t;
  using Right [[gnu::vector_size(register_bytes)]] = std::int16_t;
  using Bytes [[gnu::vector_size(register_bytes / 2)]] = signed char;
  static constexpr Index right_bytes = register_bytes / 2;

  UNITGAIN_INLINE static Right load(const std::byte* p) {
    Bytes bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    // By the instructions' names: GCC 12 widens the halves one by one.
#if defined(__AVX512F__)
    return std::bit_cast<Right>(_mm512_cvtepi8_epi16(std::bit_cast<__m256i>(bytes)));
#elif defined(__AVX2__)
    return std::bit_cast<Right>(_mm256_cvtepi8_epi16(std::bit_cast<__m128i>(bytes)));
#elif defined(__x86_64__)
    return std::bit_cast<Right>(
        _mm_cvtepi8_epi16(_mm_set1_epi64x(std::bit_cast<long long>(bytes))));
#else
    return __builtin_convertvector(bytes, Right);
#endif
  }

  UNITGAIN_INLINE static Sum add(Sum sum, std::int32_t word, Right right) {
#if defined(__AVX512F__)
    return sum + std::bit_cast<Sum>(
                     _mm512_madd_epi16(_mm512_set1_epi32(word), std::bit_cast<__m512i>(right)));
#elif defined(__AVX2__)
    return sum + std::bit_cast<Sum>(
                     _mm256_madd_epi16(_mm256_set1_epi32(word), std::bit_cast<__m256i>(right)));
#elif defined(__x86_64__)
    return sum +
           std::bit_cast<Sum>(_mm_madd_epi16(_mm_set1_epi32(word), std::bit_cast<__m128i>(right)));
#else
    const int16x8_t left = vreinterpretq_s16_s32(vdupq_n_s32(word));
    const auto both = std::bit_cast<int16x8_t>(right);
    return sum + std::bit_cast<Sum>(vpaddq_s32(vmull_s16(vget_low_s16(left), vget_low_s16(both)),
                                               vmull_high_s16(left, both)));
#endif
  }
};

#if defined(__AVX512F__)
constexpr int tile_rows = 12;
#elif defined(__AVX2__)
constexpr int tile_rows = 5;
#else
constexpr int tile_rows = 4;
#endif

}  // namespace

#if defined(__AVX512F__)
constinit const Int8GemmKernels int8_gemm = int8_kernels<PairDot, tile_rows>(&int8_gemm_vnni);
#else
constinit const Int8GemmKernels int8_gemm = int8_kernels<PairDot, tile_rows>(nullptr);
#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT

#endif
