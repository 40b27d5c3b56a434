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
