// The activations made of one exponential: the ELU family, exp, the logistic function and its
// relatives, and softsign, which has their shape.
#include "simd/activation.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class N>
UNITGAIN_INLINE N one() {
  return number<N>(Wide(1.0));
}

UNITGAIN_INLINE Wide negative_part(Wide x) {
  stdx::where(x > 0.0, x) = 0.0;
  return x;
}

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
};

// Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS
// 2017.
struct Selu {
  static constexpr bool wide = true;
  template <class N>
  UNITGAIN_INLINE static Wide forward(Wide x, const Parameters&) {
    const N negative = number<N>(selu_scale_alpha) * expm1<N>(number<N>(negative_part(x)));
    return choose(x >= 0.0, x * selu_scale.high, rounded(negative));
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
};

// Source: Barron, "Continuously differentiable exponential linear units", 2017.
struct Celu {
  static constexpr bool wide = true;
  // x / alpha for x <= 0, but not so low that the quotient's parts overflow.
  template <class N>
  UNITGAIN_INLINE static N quotient(Wide x, double alpha) {
    const Wide lowest = -800.0 * alpha;
    x = negative_part(x);
    stdx::where(x < lowest, x) = lowest;
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
};

template <class T>
constexpr ExponentialRows<T> rows = {
    activation_row<Elu, T>(),      activation_row<Selu, T>(),    activation_row<Celu, T>(),
    activation_row<Exp, T>(),      activation_row<Sigmoid, T>(), activation_row<LogSigmoid, T>(),
    activation_row<Softplus, T>(), activation_row<Tanh, T>(),    activation_row<Softsign, T>(),
};

}  // namespace

constinit const ExponentialRows<float> exponential_rows_f32 = rows<float>;
constinit const ExponentialRows<double> exponential_rows_f64 = rows<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
