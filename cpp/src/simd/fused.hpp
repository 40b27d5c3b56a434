// Fused multiply-add on the variant's widest vectors, as intrinsics: the vector library's fma is a
// loop over lanes that GCC may leave out of line, where it is slow and a weak symbol compiled for
// one variant.
#pragma once

#include <bit>
#include <experimental/simd>

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_FMA)
#include <arm_neon.h>
#endif

namespace unitgain::simd::UNITGAIN_VARIANT {

using FloatVector = std::experimental::native_simd<float>;
using DoubleVector = std::experimental::native_simd<double>;

#if defined(__AVX512F__)
#define UNITGAIN_FUSED 1
[[gnu::always_inline]] inline FloatVector fused(FloatVector a, FloatVector b, FloatVector c) {
  return std::bit_cast<FloatVector>(_mm512_fmadd_ps(
      std::bit_cast<__m512>(a), std::bit_cast<__m512>(b), std::bit_cast<__m512>(c)));
}
[[gnu::always_inline]] inline DoubleVector fused(DoubleVector a, DoubleVector b, DoubleVector c) {
  return std::bit_cast<DoubleVector>(_mm512_fmadd_pd(
      std::bit_cast<__m512d>(a), std::bit_cast<__m512d>(b), std::bit_cast<__m512d>(c)));
}
#elif defined(__FMA__)
#define UNITGAIN_FUSED 1
[[gnu::always_inline]] inline FloatVector fused(FloatVector a, FloatVector b, FloatVector c) {
  return std::bit_cast<FloatVector>(_mm256_fmadd_ps(
      std::bit_cast<__m256>(a), std::bit_cast<__m256>(b), std::bit_cast<__m256>(c)));
}
[[gnu::always_inline]] inline DoubleVector fused(DoubleVector a, DoubleVector b, DoubleVector c) {
  return std::bit_cast<DoubleVector>(_mm256_fmadd_pd(
      std::bit_cast<__m256d>(a), std::bit_cast<__m256d>(b), std::bit_cast<__m256d>(c)));
}
#elif defined(__ARM_FEATURE_FMA)
#define UNITGAIN_FUSED 1
[[gnu::always_inline]] inline FloatVector fused(FloatVector a, FloatVector b, FloatVector c) {
  return std::bit_cast<FloatVector>(vfmaq_f32(
      std::bit_cast<float32x4_t>(c), std::bit_cast<float32x4_t>(a), std::bit_cast<float32x4_t>(b)));
}
[[gnu::always_inline]] inline DoubleVector fused(DoubleVector a, DoubleVector b, DoubleVector c) {
  return std::bit_cast<DoubleVector>(vfmaq_f64(
      std::bit_cast<float64x2_t>(c), std::bit_cast<float64x2_t>(a), std::bit_cast<float64x2_t>(b)));
}
#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT
