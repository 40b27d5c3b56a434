// exp, log and their relatives on vectors. For sources in simd/ only.
//
// The argument of every exponential is reduced to x = n ln 2 + r, |r| <= 0.3475, n an integer. ln 2
// is subtracted in two parts, the first short enough that n times it is exact (Cody and Waite,
// "Software Manual for the Elementary Functions", 1980), so that r has one rounding. Then exp r = 1
// + r + r^2 q(r) with a near-minimax polynomial q, whose error is below 2^-26 of exp r in float and
// 2^-55 in double; tools/fit_polynomials.py computes its coefficients. The errors of what is built
// on this are measured by cpp/tests/sweep/main.cpp.
#pragma once

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

template <class T>
struct Format;

template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr int fraction_bits = 23;
  static constexpr Bits exponent_bias = 127;
  static constexpr float infinity = __builtin_inff();
  // Added to a number below 2^22, this leaves the nearest integer in the lowest bits.
  static constexpr float round_shift = 0x1.8p23f;
  static constexpr float log2_e = 0x1.715476p+0f;
  static constexpr float ln2_high = 0x1.62e4p-1f;  // 15 bits: exact times |n| < 2^9
  static constexpr float ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float exp_polynomial[] = {0x1p-1f, 0x1.5554dcp-3f, 0x1.555518p-5f,
                                             0x1.120cbap-7f, 0x1.6d1254p-10f};
  static constexpr float exp_zero = -103.98f;      // below it exp rounds to 0
  static constexpr float exp_normal = -87.33f;     // from it on exp is a normal number
  static constexpr float expm1_constant = -18.0f;  // below it expm1 rounds to -1
  static constexpr float tanh_constant = 10.0f;    // from it on tanh rounds to 1
  static constexpr float silu_zero = -108.7f;      // below it silu rounds to 0
};

template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr int fraction_bits = 52;
  static constexpr Bits exponent_bias = 1023;
  static constexpr double infinity = __builtin_inf();
  static constexpr double round_shift = 0x1.8p52;
  static constexpr double log2_e = 0x1.71547652b82fep+0;
  static constexpr double ln2_high = 0x1.62e42fefa4p-1;  // 40 bits: exact times |n| < 2^13
  static constexpr double ln2_low = -0x1.8432a1b0e2634p-43;
  static constexpr double exp_polynomial[] = {
      0x1.0000000000001p-1,  0x1.5555555555556p-3,  0x1.5555555553ce3p-5,  0x1.111111111098cp-7,
      0x1.6c16c178bd6bcp-10, 0x1.a01a01a7e29cdp-13, 0x1.a019b84d17a80p-16, 0x1.71de0d383914ap-19,
      0x1.28926932adb78p-22, 0x1.af39c20098071p-26};
  static constexpr double exp_normal = -708.39;
};

template <class T>
using BitsVec = Vec<typename Format<T>::Bits>;

template <class T>
UNITGAIN_INLINE BitsVec<T> to_bits(Vec<T> v) {
  return std::bit_cast<BitsVec<T>>(v);
}

template <class T>
UNITGAIN_INLINE Vec<T> from_bits(BitsVec<T> bits) {
  return std::bit_cast<Vec<T>>(bits);
}

template <class T>
UNITGAIN_INLINE Vec<T> absolute(Vec<T> v) {
  constexpr auto sign = typename Format<T>::Bits{1} << (sizeof(T) * 8 - 1);
  return from_bits<T>(to_bits<T>(v) & BitsVec<T>(~sign));
}

// |magnitude| with the sign of `sign`.
template <class T>
UNITGAIN_INLINE Vec<T> with_sign(Vec<T> magnitude, Vec<T> sign) {
  constexpr auto bit = typename Format<T>::Bits{1} << (sizeof(T) * 8 - 1);
  return from_bits<T>((to_bits<T>(magnitude) & BitsVec<T>(~bit)) |
                      (to_bits<T>(sign) & BitsVec<T>(bit)));
}

// mask ? yes : no, lane by lane.
template <class T>
UNITGAIN_INLINE Vec<T> select(Mask<T> mask, Vec<T> yes, Vec<T> no) {
  return blend(mask, yes, no);
}

// A plain loop, which becomes one instruction: on the library's own way GCC 12 warns of its
// header's uninitialised operand.
template <class T>
UNITGAIN_INLINE Vec<T> square_root(Vec<T> v) {
  alignas(Vec<T>) T lane[lanes<T>];
  store(v, lane);
  for (Index i = 0; i < lanes<T>; ++i) lane[i] = __builtin_sqrt(lane[i]);
  return load(lane);
}

// c[0] + c[1] x + c[2] x^2 + ...
template <class T, std::size_t count>
UNITGAIN_INLINE Vec<T> polynomial(Vec<T> x, const T (&c)[count]) {
  Vec<T> sum = c[count - 1];
  for (std::size_t i = count - 1; i-- > 0;) sum = multiply_add<T>(sum, x, c[i]);
  return sum;
}

// a b - product, exactly, where product is a b rounded and nothing over- or underflows on the way.
// Source: Dekker, "A floating-point technique for extending the available precision", Numerische
// Mathematik 18, 1971.
template <class T>
UNITGAIN_INLINE Vec<T> product_error(Vec<T> a, Vec<T> b, Vec<T> product) {
#if defined(UNITGAIN_FUSED)
  return fused(a, b, -product);
#else
  constexpr T splitter = T((1 << (Format<T>::fraction_bits / 2 + 1)) + 1);
  const Vec<T> a_high = splitter * a - (splitter * a - a), a_low = a - a_high;
  const Vec<T> b_high = splitter * b - (splitter * b - b), b_low = b - b_high;
  return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
#endif
}

template <class T>
struct Reduced {
  BitsVec<T> n;  // the integer, modulo 2^32 or 2^64
  Vec<T> r;
  Vec<T> lost;  // what was rounded off r
};

// |x| must be below 2^9 in float and 2^13 in double.
template <class T>
UNITGAIN_INLINE Reduced<T> reduce_exponent(Vec<T> x) {
  using F = Format<T>;
  const Vec<T> shifted = multiply_add<T>(x, F::log2_e, F::round_shift);
  const Vec<T> n = shifted - F::round_shift;
  const Vec<T> high = multiply_add<T>(n, -F::ln2_high, x);
  const Vec<T> r = multiply_add<T>(n, -F::ln2_low, high);
  return {to_bits<T>(shifted) - to_bits<T>(Vec<T>(F::round_shift)), r,
          multiply_add<T>(n, -F::ln2_low, high - r)};
}

// 2^n for n that leaves it a normal number.
template <class T>
UNITGAIN_INLINE Vec<T> power_of_two(BitsVec<T> n) {
  using F = Format<T>;
  return from_bits<T>((n + BitsVec<T>(F::exponent_bias)) << F::fraction_bits);
}

template <class T>
UNITGAIN_INLINE Vec<T> exp_reduced(Vec<T> r) {
  return T{1} + multiply_add<T>(r * r, polynomial<T>(r, Format<T>::exp_polynomial), r);
}

// exp x as value * scale * (1 + lost) for x <= 0. value and scale are normal numbers, so that their
// product is the only rounding of a result below the normal range, and a caller can put other
// factors between. `lost` estimates what was rounded off the value. Below `zero`, which says where
// the caller's result is 0, the value is 0.
template <class T>
struct ScaledExp {
  Vec<T> value;
  Vec<T> scale;
  Vec<T> lost;
};

template <class T>
UNITGAIN_INLINE ScaledExp<T> scaled_exp(Vec<T> x, T zero) {
  using F = Format<T>;
  // Lanes far below are computed as exp 0: a product that underflows costs a hundred cycles.
  const Mask<T> far = x < zero;
  where(far, x) = T{0};
  const auto [n, r, r_lost] = reduce_exponent<T>(x);
  const Vec<T> tail = multiply_add<T>(r * r, polynomial<T>(r, F::exp_polynomial), r);
  const Vec<T> power = T{1} + tail;
  // Relative to the power, whose inverse is within a fifth of 2 - power.
  const Vec<T> lost = multiply_add<T>(tail - (power - T{1}), T{2} - power, r_lost);
  // Both halves of n + 2 bias are positive, and are valid biased exponents.
  const BitsVec<T> biased = n + BitsVec<T>(2 * F::exponent_bias);
  const BitsVec<T> half = biased >> 1;
  Vec<T> value = power * from_bits<T>(half << F::fraction_bits);
  where(far, value) = T{0};
  return {value, from_bits<T>((biased - half) << F::fraction_bits), lost};
}

// exp x for 0 <= x < 80 (float) or 700 (double).
template <class T>
UNITGAIN_INLINE Vec<T> exp_moderate(Vec<T> x) {
  const auto [n, r, r_lost] = reduce_exponent<T>(x);
  return exp_reduced<T>(r) * power_of_two<T>(n);
}

// exp x - 1 for x <= 0 as high + low, low holding what high's roundings lost: the sum is good to a
// few bits more than T has, so that a factor can be applied before the result is rounded.
template <class T>
struct Pair {
  Vec<T> high;
  Vec<T> low;
};

template <class T>
UNITGAIN_INLINE Pair<T> expm1_negative(Vec<T> x) {
  using F = Format<T>;
  where(x < F::expm1_constant, x) = F::expm1_constant;
  const auto [n, r, r_lost] = reduce_exponent<T>(x);
  // p = exp r - 1 = r + r^2 q(r); |r^2 q| < |r|, so the error of the addition is exact as written.
  const Vec<T> tail = r * r * polynomial<T>(r, F::exp_polynomial);
  const Vec<T> p = r + tail;
  const Vec<T> p_low = (r - p) + tail;
  // 2^n (p + 1) - 1 = (2^n - 1) + 2^n p, and again the larger term comes first.
  const Vec<T> scale = power_of_two<T>(n);
  const Vec<T> base = scale - T{1};
  const Vec<T> base_low = scale - (base + T{1});
  const Vec<T> term = scale * p;
  const Vec<T> high = base + term;
  return {high, ((base - high) + term) + multiply_add<T>(scale, p_low, base_low)};
}

// log x for x in the normal range. x = 2^k m with m in [sqrt(1/2), sqrt 2), and log m = 2 artanh s
// with s = (m - 1) / (m + 1), |s| < 0.1716, by its series up to s^23; what is left out is below
// 2^-60.
UNITGAIN_INLINE Vec<double> logarithm(Vec<double> x) {
  using F = Format<double>;
  // Subtracting the bits of sqrt(1/2) makes the exponent field k and leaves m's offset in the
  // fraction.
  constexpr std::uint64_t root = 0x3fe6a09e667f3bcd;
  const BitsVec<double> offset = to_bits<double>(x) - BitsVec<double>(root);
  // k as a double: the field, moved into the lowest bits of 2^52 + 2^51 + bias.
  constexpr std::uint64_t shift_bits = 0x4338000000000000;
  const BitsVec<double> field = (offset + BitsVec<double>(std::uint64_t{1024} << 52)) >> 52;
  const Vec<double> k =
      from_bits<double>(field + BitsVec<double>(shift_bits)) - (F::round_shift + 1024.0);
  const BitsVec<double> fraction = offset & BitsVec<double>((std::uint64_t{1} << 52) - 1);
  const Vec<double> m = from_bits<double>(fraction + BitsVec<double>(root));
  constexpr double series[] = {2. / 3,  2. / 5,  2. / 7,  2. / 9,  2. / 11, 2. / 13,
                               2. / 15, 2. / 17, 2. / 19, 2. / 21, 2. / 23};
  const Vec<double> s = (m - 1.0) / (m + 1.0);
  const Vec<double> s2 = s * s;
  const Vec<double> log_m = 2.0 * s + s * s2 * polynomial<double>(s2, series);
  return k * F::ln2_high + (log_m + k * F::ln2_low);
}

// log(1 + x) for 0 <= x, +inf and NaN included.
UNITGAIN_INLINE Vec<double> logarithm_plus_one(Vec<double> x) {
  const Vec<double> sum = 1.0 + x;
  // log(sum + lost) = log sum + lost / sum, to first order and that is enough.
  const Vec<double> lost = x - (sum - 1.0);
  const Vec<double> result = logarithm(sum) + lost / sum;
  return select<double>(x < Format<double>::infinity, result, x);
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
