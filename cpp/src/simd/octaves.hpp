// Functions of a float from 0 to 14.75 by polynomials on eight intervals, two an octave of 1 + a,
// whose coefficients AVX2 permutes from one register each. For functions that vary no faster than
// 1 + a; those that fall like exp(-a^2 / 2) are divided by it. For sources in simd/ only, and for
// variants that have UNITGAIN_OCTAVES.
#pragma once

#include "simd/math.hpp"

#if defined(__AVX2__) && !defined(__AVX512F__)
#define UNITGAIN_OCTAVES 1
#endif

namespace unitgain::simd::UNITGAIN_VARIANT {

// In the interval of a root the centre is the root, rounded, and the first coefficient 0; `lost` is
// what the function is there, and what rounding the second coefficient lost.
template <int degree, bool has_root = false>
struct OctaveTable {
  alignas(32) float center[8];
  alignas(32) float coefficient[degree + 1][8];
};

template <int degree>
struct OctaveTable<degree, true> {
  alignas(32) float center[8];
  alignas(32) float lost[2][8];
  alignas(32) float coefficient[degree + 1][8];
};

#if defined(UNITGAIN_OCTAVES)

inline constexpr float octave_limit = 14.75f;

// table(a) exp(-a^2 / 2), a from 0 to the limit, within 1.5 ulp: the linear part is kept with what
// its rounding loses, and all else is small beside it.
template <int degree, bool has_root>
UNITGAIN_INLINE Vec<float> times_bell(const OctaveTable<degree, has_root>& table, Vec<float> a) {
  using F = Format<float>;
  static_assert(degree == 7);
  const BitsVec<float> index = to_bits<float>(a + 1.0f) >> (F::fraction_bits - 1);
  const Vec<float> d = a - permuted(table.center, index), d_2 = d * d;
  const auto coefficient = [&](int i) __attribute__((always_inline)) {
    return permuted(table.coefficient[i], index);
  };
  const auto pair = [&](int i) __attribute__((always_inline)) {
    return multiply_add<float>(coefficient(i + 1), d, coefficient(i));
  };
  const Vec<float> constant = coefficient(0), slope = coefficient(1);
  const Vec<float> first = multiply_add<float>(slope, d, constant);
  Vec<float> rest = multiply_add<float>(slope, d, constant - first);
  if constexpr (has_root) {
    rest += multiply_add<float>(permuted(table.lost[1], index), d, permuted(table.lost[0], index));
  }
  Vec<float> higher = multiply_add<float>(pair(6), d_2, pair(4));
  higher = multiply_add<float>(higher, d_2, pair(2));
  rest = multiply_add<float>(higher, d_2, rest);

  const Vec<float> square = a * a;
  const Vec<float> square_low = fused(a, a, -square);
  const Vec<float> shifted = multiply_add<float>(square, -0.5f * F::log2_e, F::round_shift);
  const Vec<float> n = shifted - F::round_shift;
  Vec<float> r = multiply_add<float>(n, -F::ln2_high, -0.5f * square);
  r = multiply_add<float>(square_low, -0.5f, multiply_add<float>(n, -F::ln2_low, r));
  const Vec<float> power = multiply_add<float>(r * r, polynomial<float>(r, F::exp_polynomial), r);
  const Vec<float> product = first + multiply_add<float>(first + rest, power, rest);
  // n is -157 at least: the first factor is normal, the product with it exact.
  constexpr std::uint32_t bias =
      F::exponent_bias + 64 - std::bit_cast<std::uint32_t>(F::round_shift);
  const Vec<float> scale = from_bits<float>((to_bits<float>(shifted) + bias) << F::fraction_bits);
  return product * scale * 0x1p-64f;
}

#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT
