// The activations of the form x times a gate between 0 and 1: SiLU, GELU, Mish. Their derivatives
// cross zero where the gate's fall outweighs the gate; around that root each is (x - root) times a
// polynomial, elsewhere a form in which nothing cancels by more than the distance to the root.
#include "simd/activation.hpp"
#include "simd/activation_single.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class N>
UNITGAIN_INLINE N constant(double value) {
  return number<N>(Wide(value));
}

// `y`, or near the root the derivative there: (x - root) P(x - root.high). The difference is exact,
// and so is its product with P's first coefficient.
template <std::size_t count>
UNITGAIN_INLINE Wide unless_near_root(Wide x, Wide y, Constant root, double radius,
                                      const double (&slope)[count]) {
  const Wide distance = x - root.high;
  Wide rest = slope[count - 1];
  for (std::size_t i = count - 1; i-- > 1;) rest = multiply_add<double>(rest, distance, slope[i]);
  const Twofold first = exact_product(distance, slope[0]);
  const Wide low = multiply_add<double>(rest * distance, distance, first.low);
  const Wide near = first.high + (low - root.low * slope[0]);
  return choose(absolute<double>(distance) < radius, near, y);
}

#if defined(UNITGAIN_TABLES)

// max(x, 0) - a g(a), a = |x|, from the table of a g(a). `bounded`: above the table's limit the
// tail is nothing beside x, and its value at the limit serves.
template <bool bounded, int degree, Width width>
UNITGAIN_INLINE Partial quick_gated(const PiecewiseTable<degree, width>& pieces, Single x) {
  Single a = absolute<float>(x);
  if constexpr (bounded) a = smaller(pieces.limit, a);
  const Single tail = piecewise(pieces, a);
  return {larger(0.0f, x) - tail, bounded ? x >= -pieces.limit : a <= pieces.limit};
}

// The derivative of such a function: f'(-a) from the table, and f'(a) = 1 - f'(-a).
template <bool bounded, int degree>
UNITGAIN_INLINE Partial quick_gated_slope(const PiecewiseTable<degree>& pieces, Single x) {
  Single a = absolute<float>(x);
  if constexpr (bounded) a = smaller(pieces.limit, a);
  const Single below = piecewise(pieces, a);
  return {select<float>(x < 0.0f, below, 1.0f - below),
          bounded ? x >= -pieces.limit : a <= pieces.limit};
}

#endif

// x sigma(z) and its derivative sigma(z) + x z' sigma(z) sigma(-z), for odd z, x z' given. With e =
// exp(-|z|) the derivative is e (1 + e + x z') / (1 + e)^2 below 0 and (1 + e + e x z') / (1 + e)^2
// above. x and z are limited so that e is 0 where they end, and nothing overflows.
template <class N>
UNITGAIN_INLINE Wide times_logistic(Wide x, N x_limited, N z_magnitude) {
  const auto e = exponential<N>(-z_magnitude);
  const Mask<double> negative = x < 0.0;
  const N numerator = x_limited * choose(negative, e.power, constant<N>(1.0));
  Wide y = rounded(numerator / (constant<N>(1.0) + e.whole()));
  y = choose(negative, e.times(y), y);
  return choose(x > 700.0 || x == 0.0, x, y);
}

template <class N>
UNITGAIN_INLINE Wide times_logistic_slope(Wide x, N z_magnitude, N x_z_slope) {
  const auto e = exponential<N>(-z_magnitude);
  const Mask<double> negative = x < 0.0;
  const N sum = constant<N>(1.0) + e.whole();
  const N numerator = sum + x_z_slope * choose(negative, constant<N>(1.0), e.whole());
  const Wide y = rounded(choose(negative, e.power * numerator, numerator) / (sum * sum));
  return choose(negative, e.times(y), y);
}

// Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016; Ramachandran, Zoph and
// Le, "Searching for activation functions", 2017 (as swish).
struct Silu {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const Wide limited = clamped(x, 800.0);
    return times_logistic<N>(x, number<N>(limited), number<N>(absolute<double>(limited)));
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    x = clamped(x, 800.0);
    const Wide y = times_logistic_slope<N>(x, number<N>(absolute<double>(x)), number<N>(x));
    return unless_near_root(x, y, silu_root, silu_radius, silu_slope);
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    return quick_gated<false>(silu_tail_table, x);
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    return quick_gated_slope<false>(silu_slope_table, x);
  }
#else
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    return single_silu(x);
  }
#endif
};

// GELU's tanh form is x sigma(z) with z = sqrt(8 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr bool wide = true;
  static constexpr double limit = 32.0;  // z is 2400 there
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const N limited = number<N>(clamped(x, limit));
    const N a = number<N>(absolute<double>(clamped(x, limit)));
    const N z = a * (number<N>(sqrt_8_over_pi) + number<N>(tanh_cubic) * (a * a));
    const Wide y = times_logistic<N>(x, limited, z);
    return choose(x > limit, x, y);
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    x = clamped(x, limit);
    const N signed_x = number<N>(x), a = number<N>(absolute<double>(x)), square = a * a;
    const N z = a * (number<N>(sqrt_8_over_pi) + number<N>(tanh_cubic) * square);
    const N inner = number<N>(sqrt_8_over_pi) + number<N>(tanh_cubic_slope) * square;
    const Wide y = times_logistic_slope<N>(x, z, signed_x * inner);
    return unless_near_root(x, y, gelu_tanh_root, gelu_tanh_radius, gelu_tanh_slope);
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    return quick_gated<true>(gelu_tanh_tail_table, x);
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    return quick_gated_slope<true>(gelu_tanh_slope_table, x);
  }
#endif
};

// x Phi(x) with Phi(-a) = exp(-a^2 / 2) R(a), and Phi(a) = 1 - Phi(-a).
struct Gelu {
  static constexpr bool wide = true;
  static constexpr double limit = 39.5;
  template <class N>
  UNITGAIN_INLINE static Exponential<N> bell(Wide a) {
    return exponential<N>(scaled(number<N>(a) * number<N>(a), Wide(-0.5)));
  }
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const Wide a = absolute<double>(clamped(x, limit));
    const auto e = bell<N>(a);
    const N tail = number<N>(a) * mills_ratio<N>(a);
    const Wide below = -e.times(rounded(tail * e.power));
    const Wide above = rounded(number<N>(a) - tail * e.whole());
    const Wide y = choose(x < 0.0, below, above);
    return choose(x > limit || x == 0.0, x, y);
  }
  // Phi(x) + x phi(x), below 0 exp(-a^2 / 2) (R(a) - a / sqrt(2 pi)).
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    const Wide a = absolute<double>(clamped(x, limit));
    const auto e = bell<N>(a);
    const N rest = mills_ratio<N>(a) - number<N>(a) * number<N>(inverse_sqrt_2_pi);
    const Wide below = e.times(rounded(rest * e.power));
    const Wide above = rounded(constant<N>(1.0) - rest * e.whole());
    const Wide y = choose(x < 0.0, below, above);
    return unless_near_root(x, y, gelu_root, gelu_radius, gelu_slope);
  }
#if defined(UNITGAIN_OCTAVES)
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    return larger(0.0f, x) -
           times_bell(gelu_ratio_table, smaller(octave_limit, absolute<float>(x)));
  }
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters&) {
    const Single below =
        times_bell(gelu_slope_ratio_table, smaller(octave_limit, absolute<float>(x)));
    return select<float>(x < 0.0f, below, 1.0f - below);
  }
#elif defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    return quick_gated<true>(gelu_tail_table, x);
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    return quick_gated_slope<true>(gelu_slope_table, x);
  }
#endif
};

// x tanh(softplus x). With e = exp x the gate is n / (n + 2), n = e (e + 2); with f = exp(-x), (1 +
// 2 f) / (1 + 2 f + 2 f^2).
// Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
struct Mish {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const auto exponent = exponential<N>(number<N>(-absolute<double>(x)));
    const N e = exponent.whole(), one = constant<N>(1.0), two = constant<N>(2.0);
    const Mask<double> negative = x < 0.0;
    const N gate = choose(negative, exponent.power * (e + two), one + e + e);
    const N below = choose(negative, e * (e + two) + two, (one + e + e) + (e + e) * e);
    Wide y = rounded(number<N>(clamped(x, 800.0)) * gate / below);
    y = choose(negative, exponent.times(y), y);
    return choose(x > 800.0 || x == 0.0, x, y);
  }
  // e w / d^2 with w = 4 (x + 1) + (4 x + 6) e + 4 e^2 + e^3 and d = e^2 + 2 e + 2; above 0 both
  // are divided by their powers of e.
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    x = clamped(x, 800.0);
    const auto exponent = exponential<N>(number<N>(-absolute<double>(x)));
    const N e = exponent.whole(), one = constant<N>(1.0), two = constant<N>(2.0);
    const N four = constant<N>(4.0);
    const N outer = four * number<N>(x) + four, inner = outer + two;
    const Mask<double> negative = x < 0.0;
    const N w = choose(negative, outer + e * (inner + e * (four + e)),
                       one + e * (four + e * (inner + e * outer)));
    const N d = choose(negative, two + e * (two + e), one + e * (two + (e + e)));
    Wide y = rounded(choose(negative, exponent.power * w, w) / (d * d));
    y = choose(negative, exponent.times(y), y);
    return unless_near_root(x, y, mish_root, mish_radius, mish_slope);
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    return {x * piecewise(mish_gate_table, x), absolute<float>(x) <= mish_gate_table.limit};
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    return {piecewise_linear_last(mish_slope_table, x),
            absolute<float>(x) <= mish_slope_table.limit};
  }
#endif
};

}  // namespace

UNITGAIN_ACTIVATION(silu, Silu)
UNITGAIN_ACTIVATION(gelu, Gelu)
UNITGAIN_ACTIVATION(gelu_tanh, GeluTanh)
UNITGAIN_ACTIVATION(mish, Mish)

}  // namespace unitgain::simd::UNITGAIN_VARIANT
