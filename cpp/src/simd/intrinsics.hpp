// The operations for which the compiler needs to be told the instruction.
//
// fused: a * b + c with one rounding. Without a fused instruction it is left undefined, since
// std::fma is a library call for each lane.
//
// product: the 64-bit products of the lanes' lower halves. A plain 64-bit product takes three to
// eight instructions, and GCC 12 does not see that the upper halves are not wanted.
//
// root_reciprocal_estimate, reciprocal_estimate: 1 / sqrt(a) and 1 / a to 14 bits, for normal a,
// where there is such an instruction.
//
// lookup: values[index % 32] for each lane, the values being aligned to 64 bytes: one instruction
// where two registers hold them all.
//
// permuted: values[index % 8] for each of eight lanes, the values being aligned to 32 bytes.
//
// rows_at, transpose_quarters: pointers to the lanes' rows, by their distance from the first in
// bytes, and four columns of those rows, which are aligned to 16 bytes.
//
// times_power_of_two: a * 2^n for an integer n, rounded once, whatever the range of the result.
//
// smaller, larger: a < b ? a : b and a > b ? a : b, so b where either is NaN or both are 0. One
// instruction where GCC 12 makes a comparison and a blend.
//
// scaled_unless_below: a * 2^n, 0 where x < limit. AVX-512's scaling takes the place of the integer
// arithmetic on exponents, and its mask that of the flush to zero: a third of exp's instructions.
#pragma once

#include "simd/register.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

using Floats = Vec<float>;
using Doubles = Vec<double>;
using Words = Vec<std::uint64_t>;
using Integers = Vec<std::uint32_t>;

#define UNITGAIN_INTRINSIC [[gnu::always_inline]] inline

#if defined(__AVX512F__)

#define UNITGAIN_FUSED 1
UNITGAIN_INTRINSIC Floats fused(Floats a, Floats b, Floats c) {
  return std::bit_cast<Floats>(_mm512_fmadd_ps(std::bit_cast<__m512>(a), std::bit_cast<__m512>(b),
                                               std::bit_cast<__m512>(c)));
}
UNITGAIN_INTRINSIC Doubles fused(Doubles a, Doubles b, Doubles c) {
  return std::bit_cast<Doubles>(_mm512_fmadd_pd(
      std::bit_cast<__m512d>(a), std::bit_cast<__m512d>(b), std::bit_cast<__m512d>(c)));
}
UNITGAIN_INTRINSIC Words product(Words a, Words b) {
  // Not _mm512_mul_epu32, whose undefined operand GCC 12 warns of. All lanes are taken either way.
  return std::bit_cast<Words>(
      _mm512_maskz_mul_epu32(0xff, std::bit_cast<__m512i>(a), std::bit_cast<__m512i>(b)));
}

#define UNITGAIN_ESTIMATES 1
UNITGAIN_INTRINSIC Floats root_reciprocal_estimate(Floats a) {
  return std::bit_cast<Floats>(_mm512_maskz_rsqrt14_ps(0xffff, std::bit_cast<__m512>(a)));
}
UNITGAIN_INTRINSIC Floats reciprocal_estimate(Floats a) {
  return std::bit_cast<Floats>(_mm512_maskz_rcp14_ps(0xffff, std::bit_cast<__m512>(a)));
}

#define UNITGAIN_LOOKUP 1
UNITGAIN_INTRINSIC Floats lookup(const float* values, Integers index) {
  return std::bit_cast<Floats>(_mm512_permutex2var_ps(
      _mm512_load_ps(values), std::bit_cast<__m512i>(index), _mm512_load_ps(values + 16)));
}
UNITGAIN_INTRINSIC Floats smaller(Floats a, Floats b) {
  return std::bit_cast<Floats>(
      _mm512_maskz_min_ps(0xffff, std::bit_cast<__m512>(a), std::bit_cast<__m512>(b)));
}
UNITGAIN_INTRINSIC Floats times_power_of_two(Floats a, Floats n) {
  return std::bit_cast<Floats>(
      _mm512_maskz_scalef_ps(0xffff, std::bit_cast<__m512>(a), std::bit_cast<__m512>(n)));
}

#define UNITGAIN_LARGER 1
UNITGAIN_INTRINSIC Floats larger(Floats a, Floats b) {
  return std::bit_cast<Floats>(
      _mm512_maskz_max_ps(0xffff, std::bit_cast<__m512>(a), std::bit_cast<__m512>(b)));
}
UNITGAIN_INTRINSIC Doubles larger(Doubles a, Doubles b) {
  return std::bit_cast<Doubles>(
      _mm512_maskz_max_pd(0xff, std::bit_cast<__m512d>(a), std::bit_cast<__m512d>(b)));
}

#define UNITGAIN_SCALE 1
// Not less than, or NaN: so NaN stays.
UNITGAIN_INTRINSIC Floats scaled_unless_below(Floats a, Floats n, Floats x, Floats limit) {
  const __mmask16 kept =
      _mm512_cmp_ps_mask(std::bit_cast<__m512>(x), std::bit_cast<__m512>(limit), _CMP_NLT_UQ);
  return std::bit_cast<Floats>(
      _mm512_maskz_scalef_ps(kept, std::bit_cast<__m512>(a), std::bit_cast<__m512>(n)));
}
UNITGAIN_INTRINSIC Doubles scaled_unless_below(Doubles a, Doubles n, Doubles x, Doubles limit) {
  const __mmask8 kept =
      _mm512_cmp_pd_mask(std::bit_cast<__m512d>(x), std::bit_cast<__m512d>(limit), _CMP_NLT_UQ);
  return std::bit_cast<Doubles>(
      _mm512_maskz_scalef_pd(kept, std::bit_cast<__m512d>(a), std::bit_cast<__m512d>(n)));
}

#elif defined(__AVX2__) && defined(__FMA__)

#define UNITGAIN_FUSED 1
UNITGAIN_INTRINSIC Floats fused(Floats a, Floats b, Floats c) {
  return std::bit_cast<Floats>(_mm256_fmadd_ps(std::bit_cast<__m256>(a), std::bit_cast<__m256>(b),
                                               std::bit_cast<__m256>(c)));
}
UNITGAIN_INTRINSIC Doubles fused(Doubles a, Doubles b, Doubles c) {
  return std::bit_cast<Doubles>(_mm256_fmadd_pd(
      std::bit_cast<__m256d>(a), std::bit_cast<__m256d>(b), std::bit_cast<__m256d>(c)));
}
UNITGAIN_INTRINSIC Words product(Words a, Words b) {
  return std::bit_cast<Words>(
      _mm256_mul_epu32(std::bit_cast<__m256i>(a), std::bit_cast<__m256i>(b)));
}

UNITGAIN_INTRINSIC Floats smaller(Floats a, Floats b) {
  return std::bit_cast<Floats>(_mm256_min_ps(std::bit_cast<__m256>(a), std::bit_cast<__m256>(b)));
}
// In two steps, of which the first is exact.
UNITGAIN_INTRINSIC Floats times_power_of_two(Floats a, Floats n) {
  const __m256i whole = _mm256_cvtps_epi32(std::bit_cast<__m256>(n));
  const __m256i half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i second =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  return a * std::bit_cast<Floats>(first) * std::bit_cast<Floats>(second);
}
UNITGAIN_INTRINSIC Floats permuted(const float* values, Integers index) {
  return std::bit_cast<Floats>(
      _mm256_permutevar8x32_ps(_mm256_load_ps(values), std::bit_cast<__m256i>(index)));
}
// Two lanes are moved at once: each move costs as much as a shuffle.
UNITGAIN_INTRINSIC void rows_at(const char* first, Integers bytes, const char** row) {
  const auto lanes = std::bit_cast<__m256i>(bytes);
  const __m128i halves[] = {_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1)};
  for (int i = 0; i < 2; ++i) {
    const auto low = static_cast<std::uint64_t>(_mm_cvtsi128_si64(halves[i]));
    const auto high = static_cast<std::uint64_t>(_mm_extract_epi64(halves[i], 1));
    row[4 * i] = first + static_cast<std::uint32_t>(low);
    row[4 * i + 1] = first + (low >> 32);
    row[4 * i + 2] = first + static_cast<std::uint32_t>(high);
    row[4 * i + 3] = first + (high >> 32);
  }
}
UNITGAIN_INTRINSIC void transpose_quarters(const char* const* row, int first, Floats* column) {
  const auto quarter = [&](int i) __attribute__((always_inline)) {
    return _mm_load_ps(reinterpret_cast<const float*>(row[i]) + first);
  };
  const auto pair = [&](int i) __attribute__((always_inline)) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(quarter(i)), quarter(i + 4), 1);
  };
  const __m256 a = pair(0), b = pair(1), c = pair(2), d = pair(3);
  const __m256d ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
  const __m256d cd = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
  const __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
  const __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
  column[0] = std::bit_cast<Floats>(_mm256_unpacklo_pd(ab, cd));
  column[1] = std::bit_cast<Floats>(_mm256_unpackhi_pd(ab, cd));
  column[2] = std::bit_cast<Floats>(_mm256_unpacklo_pd(ab_high, cd_high));
  column[3] = std::bit_cast<Floats>(_mm256_unpackhi_pd(ab_high, cd_high));
}

#define UNITGAIN_LARGER 1
UNITGAIN_INTRINSIC Floats larger(Floats a, Floats b) {
  return std::bit_cast<Floats>(_mm256_max_ps(std::bit_cast<__m256>(a), std::bit_cast<__m256>(b)));
}
UNITGAIN_INTRINSIC Doubles larger(Doubles a, Doubles b) {
  return std::bit_cast<Doubles>(
      _mm256_max_pd(std::bit_cast<__m256d>(a), std::bit_cast<__m256d>(b)));
}

#elif defined(__x86_64__)

#define UNITGAIN_LARGER 1
UNITGAIN_INTRINSIC Floats larger(Floats a, Floats b) {
  return std::bit_cast<Floats>(_mm_max_ps(std::bit_cast<__m128>(a), std::bit_cast<__m128>(b)));
}
UNITGAIN_INTRINSIC Doubles larger(Doubles a, Doubles b) {
  return std::bit_cast<Doubles>(_mm_max_pd(std::bit_cast<__m128d>(a), std::bit_cast<__m128d>(b)));
}

UNITGAIN_INTRINSIC Words product(Words a, Words b) {
  return std::bit_cast<Words>(_mm_mul_epu32(std::bit_cast<__m128i>(a), std::bit_cast<__m128i>(b)));
}

#elif defined(__aarch64__)

#define UNITGAIN_FUSED 1
UNITGAIN_INTRINSIC Floats fused(Floats a, Floats b, Floats c) {
  return std::bit_cast<Floats>(vfmaq_f32(
      std::bit_cast<float32x4_t>(c), std::bit_cast<float32x4_t>(a), std::bit_cast<float32x4_t>(b)));
}
UNITGAIN_INTRINSIC Doubles fused(Doubles a, Doubles b, Doubles c) {
  return std::bit_cast<Doubles>(vfmaq_f64(
      std::bit_cast<float64x2_t>(c), std::bit_cast<float64x2_t>(a), std::bit_cast<float64x2_t>(b)));
}
UNITGAIN_INTRINSIC Words product(Words a, Words b) {
  return std::bit_cast<Words>(
      vmull_u32(vmovn_u64(std::bit_cast<uint64x2_t>(a)), vmovn_u64(std::bit_cast<uint64x2_t>(b))));
}

#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT
