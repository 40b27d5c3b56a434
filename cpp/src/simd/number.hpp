// Numbers that carry more precision than the results need, so that formulas can be written as in a
// book: Vec<double> for float results, and Twofold, an unevaluated sum of two doubles, for double
// ones. Each operation on Twofold has a relative error below 2^-100 (2^-98 without FMA) as long as
// nothing over- or underflows; a difference, below 2^-100 of the larger operand. For sources in
// simd/ only.
//
// Source: Dekker, "A floating-point technique for extending the available precision", Numerische
// Mathematik 18, 1971; Joldes, Muller and Popescu, "Tight and rigorous error bounds for basic
// building blocks of double-word arithmetic", ACM TOMS 44, 2017.
#pragma once

#include "simd/generated/coefficients.hpp"
#include "simd/math.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

using Wide = Vec<double>;

struct Twofold {
  Wide high;
  Wide low;
};

// The number type for formulas whose results are of type T.
template <class T>
struct NumberFor;
template <>
struct NumberFor<float> {
  using type = Wide;
};
template <>
struct NumberFor<double> {
  using type = Twofold;
};
template <class T>
using Number = typename NumberFor<T>::type;

template <class N>
inline constexpr bool is_twofold = sizeof(N) == sizeof(Twofold);

// a + b for |a| >= |b| or a = 0.
UNITGAIN_INLINE Twofold ordered_sum(Wide a, Wide b) {
  const Wide sum = a + b;
  return {sum, b - (sum - a)};
}

UNITGAIN_INLINE Twofold exact_sum(Wide a, Wide b) {
  const Wide sum = a + b, added = sum - a;
  return {sum, (a - (sum - added)) + (b - added)};
}

UNITGAIN_INLINE Twofold exact_product(Wide a, Wide b) {
  const Wide product = a * b;
  return {product, product_error<double>(a, b, product)};
}

UNITGAIN_INLINE Twofold operator-(Twofold a) {
  return {-a.high, -a.low};
}

UNITGAIN_INLINE Twofold operator+(Twofold a, Twofold b) {
  const Twofold high = exact_sum(a.high, b.high), low = exact_sum(a.low, b.low);
  const Twofold sum = ordered_sum(high.high, high.low + low.high);
  return ordered_sum(sum.high, sum.low + low.low);
}

UNITGAIN_INLINE Twofold operator-(Twofold a, Twofold b) {
  return a + -b;
}

UNITGAIN_INLINE Twofold operator*(Twofold a, Twofold b) {
  const Twofold product = exact_product(a.high, b.high);
  return ordered_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

// Times powers of two, or where 2^-53 of the result does not matter for a.low.
UNITGAIN_INLINE Twofold scaled(Twofold a, Wide factor) {
  return {a.high * factor, a.low * factor};
}
UNITGAIN_INLINE Wide scaled(Wide a, Wide factor) {
  return a * factor;
}

UNITGAIN_INLINE Twofold operator/(Twofold a, Twofold b) {
  const Wide quotient = a.high / b.high;
  const Twofold product = exact_product(quotient, b.high);
  const Wide rest = (((a.high - product.high) - product.low) + a.low) - quotient * b.low;
  return ordered_sum(quotient, rest / b.high);
}

template <class N>
UNITGAIN_INLINE N number(Wide value) {
  if constexpr (is_twofold<N>) {
    return {value, 0.0};
  } else {
    return value;
  }
}

template <class N>
UNITGAIN_INLINE N number(Constant value) {
  if constexpr (is_twofold<N>) {
    return {value.high, value.low};
  } else {
    return value.high;
  }
}

UNITGAIN_INLINE Wide rounded(Wide a) {
  return a;
}
UNITGAIN_INLINE Wide rounded(Twofold a) {
  return a.high + a.low;
}

UNITGAIN_INLINE Wide choose(Mask<double> where, Wide yes, Wide no) {
  return select<double>(where, yes, no);
}
UNITGAIN_INLINE Twofold choose(Mask<double> where, Twofold yes, Twofold no) {
  return {choose(where, yes.high, no.high), choose(where, yes.low, no.low)};
}

// x within [-limit, limit]; NaN stays.
UNITGAIN_INLINE Wide clamped(Wide x, double limit) {
  where(x > limit, x) = limit;
  where(x < -limit, x) = -limit;
  return x;
}

// ---- exp ----

// exp x - 1 = r + r^2 / 2 + r^3 q(r) for the reduced r. The cubic term is below 0.02 r, so that its
// rounding leaves a relative error of 2^-58 in Twofold; in Wide the short polynomial leaves 2^-38.
template <class N>
UNITGAIN_INLINE N expm1_reduced(N r) {
  if constexpr (is_twofold<N>) {
    const Twofold square = exact_product(r.high, r.high);
    const Wide cubic = r.high * square.high * polynomial<double>(r.high, exp_long);
    const Wide half_low = 0.5 * square.low + r.high * r.low;
    const Twofold sum = ordered_sum(r.high, 0.5 * square.high);
    return ordered_sum(sum.high, cubic + (sum.low + (r.low + half_low)));
  } else {
    const Wide tail = multiply_add<double>(r, polynomial<double>(r, exp_short), 0.5);
    return multiply_add<double>(r * r, tail, r);
  }
}

template <class N>
struct Reduction {
  BitsVec<double> n;
  N r;
};

// x = n ln 2 + r, |x| < 2^13. n ln2_high and the first difference are exact.
UNITGAIN_INLINE Reduction<Wide> reduced(Wide x) {
  const auto [n, r, lost] = reduce_exponent<double>(x);
  return {n, r};
}
UNITGAIN_INLINE Reduction<Twofold> reduced(Twofold x) {
  using F = Format<double>;
  const Wide shifted = multiply_add<double>(x.high, F::log2_e, F::round_shift);
  const Wide n = shifted - F::round_shift;
  const Wide high = multiply_add<double>(n, -F::ln2_high, x.high);
  const Twofold r = exact_sum(high, n * -F::ln2_low);
  return {to_bits<double>(shifted) - to_bits<double>(Wide(F::round_shift)),
          ordered_sum(r.high, r.low + x.low)};
}

// exp x = power * scale * rest, power in [0.7, 1.42]. Both factors are powers of two in the normal
// range, so that a product below it is rounded only at the end. In Wide rest is 1.
template <class N>
struct Exponential {
  N power;
  Wide scale;
  Wide rest;

  UNITGAIN_INLINE N whole() const {
    if constexpr (is_twofold<N>) {
      return scaled(scaled(power, scale), rest);
    } else {
      return power * scale;
    }
  }
  UNITGAIN_INLINE Wide times(Wide value) const {
    if constexpr (is_twofold<N>) {
      return value * scale * rest;
    } else {
      return value * scale;
    }
  }
};

// Beyond these limits exp is 0 or infinity in double (Twofold) or in float (Wide).
template <class N>
inline constexpr double exp_limit = is_twofold<N> ? 780.0 : 700.0;

template <class N>
UNITGAIN_INLINE Exponential<N> exponential(N x) {
  constexpr double limit = exp_limit<N>;
  if constexpr (is_twofold<N>) {
    const Wide high = clamped(x.high, limit);
    x = {high, choose(high == x.high, x.low, 0.0)};
  } else {
    x = clamped(x, limit);
  }
  const auto [n, r] = reduced(x);
  const N power = number<N>(Wide(1.0)) + expm1_reduced<N>(r);
  if constexpr (is_twofold<N>) {
    using F = Format<double>;
    const BitsVec<double> biased = n + BitsVec<double>(2 * F::exponent_bias);
    const BitsVec<double> half = biased >> 1;
    return {power, from_bits<double>(half << F::fraction_bits),
            from_bits<double>((biased - half) << F::fraction_bits)};
  } else {
    return {power, power_of_two<double>(n), 1.0};
  }
}

// exp x - 1 for x <= 0 with a relative error as of expm1_reduced.
template <class N>
UNITGAIN_INLINE N expm1(N x) {
  constexpr double lowest = -45.0;  // below it, 2^-60 and less
  if constexpr (is_twofold<N>) {
    const Wide high = choose(x.high < lowest, lowest, x.high);
    x = {high, choose(high == x.high, x.low, 0.0)};
  } else {
    where(x < lowest, x) = lowest;
  }
  const auto [n, r] = reduced(x);
  const Wide scale = power_of_two<double>(n);
  const N part = scaled(expm1_reduced<N>(r), scale);
  if constexpr (is_twofold<N>) {
    return exact_sum(scale, -1.0) + part;
  } else {
    return (scale - 1.0) + part;
  }
}

// ---- log, and the normal distribution's tail ----

// log(1 + e) for 0 <= e <= 1: 2 artanh s, s = e / (2 + e) <= 1/3. The series behind 2 s is below
// 2^-4.7 of it.
template <class N>
UNITGAIN_INLINE N log1p_unit(N e) {
  const N s = e / (number<N>(Wide(2.0)) + e);
  if constexpr (is_twofold<N>) {
    const Wide square = s.high * s.high;
    const Wide series = s.high * square * polynomial<double>(square, log_long);
    const Twofold sum = ordered_sum(2.0 * s.high, series);
    return ordered_sum(sum.high, sum.low + 2.0 * s.low);
  } else {
    const Wide square = s * s;
    return multiply_add<double>(s * square, polynomial<double>(square, log_short), 2.0 * s);
  }
}

// exp(a^2 / 2) Q(a), where Q(a) = erfc(a / sqrt 2) / 2 is the normal distribution's tail, for 0 <=
// a < 40. (1 + sqrt2 a) times it is a nearly constant function of s = (a - 5.25) / (a + 5.25),
// whose rounding error Twofold takes into account to first order; what remains there is 2^-54, from
// the polynomial's terms. Source of the mapping: Shepherd and Laframboise, "Chebyshev approximation
// of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", Mathematics of Computation 36, 1981.
template <class N>
UNITGAIN_INLINE N mills_ratio(Wide a) {
  const N one = number<N>(Wide(1.0));
  const N denominator = scaled(one + number<N>(sqrt_2) * number<N>(a), Wide(2.0));
  if constexpr (is_twofold<N>) {
    constexpr std::size_t count = sizeof(mills_long) / sizeof(double);
    const Twofold s = exact_sum(a, -mills_center) / exact_sum(a, mills_center);
    Wide sum = mills_long[count - 1], slope = 0.0;
    for (std::size_t i = count - 1; i-- > 1;) {
      slope = multiply_add<double>(slope, s.high, sum);
      sum = multiply_add<double>(sum, s.high, mills_long[i]);
    }
    const Twofold product = exact_product(sum, s.high);
    const Twofold value = exact_sum(mills_long[0], product.high);
    slope = multiply_add<double>(slope, s.high, sum);
    const Wide low = value.low + (product.low + slope * s.low);
    return ordered_sum(value.high, low) / denominator;
  } else {
    const Wide s = (a - mills_center) / (a + mills_center);
    return polynomial<double>(s, mills_short) / denominator;
  }
}

// ---- float vectors as two wide ones ----

// The compiler's own vectors: GCC 12 warns of the library's conversions, whose header leaves an
// operand uninitialised.
using WideRegister [[gnu::vector_size(sizeof(Wide))]] = double;
using NarrowRegister [[gnu::vector_size(sizeof(Wide) / 2)]] = float;

struct Halves {
  NarrowRegister half[2];
};

template <class Body>
UNITGAIN_INLINE Vec<float> by_halves(Vec<float> x, Body&& body) {
  auto halves = std::bit_cast<Halves>(x);
  for (NarrowRegister& half : halves.half) {
    const Wide y = body(std::bit_cast<Wide>(__builtin_convertvector(half, WideRegister)));
    half = __builtin_convertvector(std::bit_cast<WideRegister>(y), NarrowRegister);
  }
  return std::bit_cast<Vec<float>>(halves);
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
