// The activations made of one exponential: the ELU family, exp, the logistic function and its
// relatives, and softsign, which has their shape.
#include "simd/activation.hpp"
#include "simd/activation_single.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class N>
UNITGAIN_INLINE N one() {
  return number<N>(Wide(1.0));
}

UNITGAIN_INLINE Wide negative_part(Wide x) {
  where(x > 0.0, x) = 0.0;
  return x;
}

#if defined(UNITGAIN_LOOKUP)

// exp(x) - 1 for x <= 0, and for NaN.
UNITGAIN_INLINE Single quick_expm1(Single x) {
  return piecewise(expm1_table, smaller(expm1_table.limit, larger(0.0f, -x)));
}

#endif
#if defined(UNITGAIN_TABLES)

// factor exp(x), which comes to one rounding and a little; denormal results and infinity included.
UNITGAIN_INLINE Single quick_exp(Single x, Constant factor) {
  using F = Format<float>;
  const auto high = static_cast<float>(factor.high);
  const auto low = static_cast<float>(factor.high - static_cast<double>(high));
  x = smaller(95.0f, larger(-110.0f, x));
  const Single shifted = multiply_add<float>(x, F::log2_e, F::round_shift);
  const Single n = shifted - F::round_shift;
  const Single r = multiply_add<float>(n, -F::ln2_low, multiply_add<float>(n, -F::ln2_high, x));
  const Single tail = multiply_add<float>(r * r, polynomial<float>(r, F::exp_polynomial), r);
  return times_power_of_two(high + multiply_add<float>(high, tail, low), n);
}

// The logistic function.
UNITGAIN_INLINE Partial quick_logistic(Single x) {
  const Single a = absolute<float>(x);
  const Single tail = piecewise(logistic_tail_table, a);
  return {select<float>(x < 0.0f, tail, 1.0f - tail), a <= logistic_tail_table.limit};
}

// Above the table's limit log(1 + exp(-x)) is below a fifth of x's ulp, and so is its value there.
UNITGAIN_INLINE Partial quick_softplus(Single x) {
  const Single a = smaller(softplus_tail_table.limit, absolute<float>(x));
  const Single tail = piecewise(softplus_tail_table, a);
  return {larger(0.0f, x) + tail, x >= -softplus_tail_table.limit};
}

#endif

// Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
// exponential linear units (ELUs)", ICLR 2016.
struct Elu {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters& p) {
    const N negative = number<N>(Wide(p.value[0])) * expm1<N>(number<N>(negative_part(x)));
    return choose(x >= 0.0, x, rounded(negative));
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters& p) {
    const auto e = exponential<N>(number<N>(negative_part(x)));
    return choose(x > 0.0, 1.0, e.times(rounded(number<N>(Wide(p.value[0])) * e.power)));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters& p) {
    return select<T>(y > T{0}, T{1}, y + static_cast<T>(p.value[0]));
  }
#if defined(UNITGAIN_LOOKUP)
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters& p) {
    const auto alpha = static_cast<float>(p.value[0]);
    const auto alpha_low = static_cast<float>(p.value[0] - static_cast<double>(alpha));
    const Single e = quick_expm1(x);
    return select<float>(x >= 0.0f, x, multiply_add<float>(alpha, e, alpha_low * e));
  }
#else
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters& p) {
    return select<float>(x >= 0.0f, x, single_expm1(x, p.value[0]));
  }
#endif
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters& p) {
    return select<float>(x > 0.0f, 1.0f, quick_exp(x, {p.value[0], 0.0}));
  }
#endif
};

// Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS
// 2017.
struct Selu {
  static constexpr bool wide = true;
  // The scale as a number below it and the rest, so that infinity times both has one sign.
  template <class T>
  static constexpr T scale_high =
      static_cast<T>(selu_scale.high * (1 - (sizeof(T) == 4 ? 0x1p-23 : 0x1p-52)));
  template <class T>
  static constexpr T scale_low =
      static_cast<T>((selu_scale.high - static_cast<double>(scale_high<T>)) + selu_scale.low);
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const N negative = number<N>(selu_scale_alpha) * expm1<N>(number<N>(negative_part(x)));
    const Wide positive = multiply_add<double>(x, scale_high<double>, x * scale_low<double>);
    return choose(x >= 0.0, positive, rounded(negative));
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    const auto e = exponential<N>(number<N>(negative_part(x)));
    return choose(x > 0.0, selu_scale.high,
                  e.times(rounded(number<N>(selu_scale_alpha) * e.power)));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters&) {
    return select<T>(y > T{0}, static_cast<T>(selu_scale.high),
                     y + static_cast<T>(selu_scale_alpha.high));
  }
#if defined(UNITGAIN_LOOKUP)
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    constexpr auto factor = static_cast<float>(selu_scale_alpha.high);
    constexpr auto low = static_cast<float>(selu_scale_alpha.high - static_cast<double>(factor));
    const Single e = quick_expm1(x);
    const Single negative = multiply_add<float>(factor, e, low * e);
    const Single positive = multiply_add<float>(x, scale_high<float>, x * scale_low<float>);
    return select<float>(x >= 0.0f, positive, negative);
  }
#else
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    const Single positive = multiply_add<float>(x, scale_high<float>, x * scale_low<float>);
    return select<float>(x >= 0.0f, positive, single_expm1(x, selu_scale_alpha.high));
  }
#endif
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters&) {
    return select<float>(x > 0.0f, static_cast<float>(selu_scale.high),
                         quick_exp(x, selu_scale_alpha));
  }
#endif
};

// Source: Barron, "Continuously differentiable exponential linear units", 2017.
struct Celu {
  static constexpr bool wide = true;
  // x / alpha for x <= 0, but not so low that the quotient's parts overflow.
  template <class N>
  UNITGAIN_INLINE static N quotient(Wide x, double alpha) {
    const Wide lowest = -800.0 * alpha;
    x = negative_part(x);
    where(x < lowest, x) = lowest;
    return number<N>(x) / number<N>(Wide(alpha));
  }
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters& p) {
    const N negative = number<N>(Wide(p.value[0])) * expm1<N>(quotient<N>(x, p.value[0]));
    return choose(x >= 0.0, x, rounded(negative));
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters& p) {
    const auto e = exponential<N>(quotient<N>(x, p.value[0]));
    return choose(x > 0.0, 1.0, e.times(rounded(e.power)));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters& p) {
    return select<T>(y > T{0}, T{1}, multiply_add<T>(y, static_cast<T>(1 / p.value[0]), T{1}));
  }
#if defined(UNITGAIN_TABLES)
  // With the usual alpha, ELU. The choice is the same for all elements.
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters& p) {
    return {Elu::quick_forward(x, p), Mask<float>(p.value[0] == 1.0)};
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters& p) {
    return {Elu::quick_derivative(x, p), Mask<float>(p.value[0] == 1.0)};
  }
#endif
};

struct Exp {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const auto e = exponential<N>(number<N>(x));
    return e.times(rounded(e.power));
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters& p) {
    return forward<N>(x, p);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters&) {
    return y;
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    return quick_exp(x, {1.0, 0.0});
  }
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters&) {
    return quick_exp(x, {1.0, 0.0});
  }
#endif
};

// With e = exp(-|x|): 1 / (1 + e) and e / (1 + e), neither of which cancels or overflows.
struct Sigmoid {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const auto e = exponential<N>(number<N>(-absolute<double>(x)));
    const Mask<double> negative = x < 0.0;
    const Wide y = rounded(choose(negative, e.power, one<N>()) / (one<N>() + e.whole()));
    return choose(negative, e.times(y), y);
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    const auto e = exponential<N>(number<N>(-absolute<double>(x)));
    const N sum = one<N>() + e.whole();
    return e.times(rounded(e.power / (sum * sum)));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters&) {
    return y * (T{1} - y);
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    return quick_logistic(x);
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    const Single a = absolute<float>(x);
    return {piecewise(logistic_slope_table, a), a <= logistic_slope_table.limit};
  }
#else
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    return single_sigmoid(x);
  }
#endif
};

// max(x, 0) + log(1 + exp(-|x|)). Far below 0 that is exp x, to which 1 adds nothing.
// Source: Dugas, Bengio, Belisle, Nadeau and Garcia, "Incorporating second-order functional
// knowledge for better option pricing", NIPS 2000.
struct Softplus {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const auto e = exponential<N>(number<N>(-absolute<double>(x)));
    const N logarithm = log1p_unit<N>(e.whole());
    const Wide inside =
        choose(x > 0.0, rounded(number<N>(clamped(x, 800.0)) + logarithm), rounded(logarithm));
    const Wide y = choose(x > 800.0, x, inside);
    return choose(x < -60.0, e.times(rounded(e.power)), y);
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters& p) {
    return Sigmoid::forward<N>(x, p);
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    return quick_softplus(x);
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    return quick_logistic(x);
  }
#else
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters&) {
    return single_sigmoid(x);
  }
#endif
};

struct LogSigmoid {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters& p) {
    return -Softplus::forward<N>(-x, p);
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters& p) {
    return Sigmoid::forward<N>(-x, p);
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_forward(Single x, const Parameters&) {
    const Partial y = quick_softplus(-x);
    return {-y.value, y.holds};
  }
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    return quick_logistic(-x);
  }
#else
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters&) {
    return single_sigmoid(-x);
  }
#endif
};

// -t / (t + 2) with t = exp(-2 |x|) - 1.
struct Tanh {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const N t = expm1<N>(number<N>(-2.0 * absolute<double>(clamped(x, 30.0))));
    return with_sign<double>(rounded(t / (t + number<N>(Wide(2.0)))), x);
  }
  // 4 e / (1 + e)^2 with e = exp(-2 |x|).
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    const auto e = exponential<N>(number<N>(-2.0 * absolute<double>(clamped(x, 800.0))));
    const N sum = one<N>() + e.whole();
    return e.times(4.0 * rounded(e.power / (sum * sum)));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters&) {
    return (T{1} - y) * (T{1} + y);
  }
#if defined(UNITGAIN_LOOKUP)
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    const Single a = smaller(9.7f, absolute<float>(x));  // from there on tanh rounds to 1
    return with_sign<float>(piecewise(tanh_table, a), x);
  }
#else
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    return single_tanh(x);
  }
#endif
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Partial quick_derivative(Single x, const Parameters&) {
    const Single a = absolute<float>(x);
    return {piecewise(tanh_slope_table, a), a <= tanh_slope_table.limit};
  }
#endif
};

// x / (1 + |x|).
// Source: Turian, Bergstra and Bengio, "Quadratic features and deep architectures for chunking",
// NAACL 2009.
struct Softsign {
  static constexpr bool wide = true;
  static constexpr double far = 0x1p60;  // from here on 1 + |x| is |x|
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const N a = number<N>(absolute<double>(clamped(x, far)));
    return with_sign<double>(rounded(a / (one<N>() + a)), x);
  }
  template <class N>
  UNITGAIN_INLINE static Wide derivative(Wide x, const Parameters&) {
    const Wide inverse = 1.0 / absolute<double>(x);
    const N sum = one<N>() + number<N>(absolute<double>(clamped(x, far)));
    const Wide y = rounded(one<N>() / (sum * sum));
    return choose(absolute<double>(x) > far, inverse * inverse, y);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters&) {
    const Vec<T> root = T{1} - absolute<T>(y);
    return root * root;
  }
#if defined(UNITGAIN_TABLES)
  UNITGAIN_INLINE static Single quick_forward(Single x, const Parameters&) {
    const Single a = smaller(0x1p60f, absolute<float>(x));
    return with_sign<float>(a / (1.0f + a), x);
  }
  // The inverse r of 1 + |x|, with what the addition and the division lose, squared.
  UNITGAIN_INLINE static Single quick_derivative(Single x, const Parameters&) {
    const Single a = absolute<float>(x), sum = 1.0f + a, added = sum - a;
    const Single sum_low = (a - (sum - added)) + (1.0f - added);
    const Single r = 1.0f / sum;
    const Single lost = r * (multiply_add<float>(-r, sum, 1.0f) - r * sum_low);
    const Single square = r * r;
    const Single low = multiply_add<float>(2.0f * r, lost, product_error<float>(r, r, square));
    return select<float>(a > 0x1p60f, square, square + low);
  }
#endif
};

}  // namespace

UNITGAIN_ACTIVATION(elu, Elu)
UNITGAIN_ACTIVATION(selu, Selu)
UNITGAIN_ACTIVATION(celu, Celu)
UNITGAIN_ACTIVATION(exponential, Exp)
UNITGAIN_ACTIVATION(sigmoid, Sigmoid)
UNITGAIN_ACTIVATION(log_sigmoid, LogSigmoid)
UNITGAIN_ACTIVATION(softplus, Softplus)
UNITGAIN_ACTIVATION(tanh, Tanh)
UNITGAIN_ACTIVATION(softsign, Softsign)

}  // namespace unitgain::simd::UNITGAIN_VARIANT
