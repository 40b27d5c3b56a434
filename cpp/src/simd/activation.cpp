// The activation functions: one formula and its derivative each, and one row of the table.
//
// Forward errors stay below 1.5 ulp: in float as tests/sweep_activations.py measures them (every
// 13th input on avx512, every 97th on baseline), in double at 2.4 million points against 64-bit
// significands.
#include "simd/math.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

struct Parameters {
  double value[2];
};

struct Linear {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    return x;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T>, const Parameters&) {
    return T{1};
  }
};

struct Relu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    stdx::where(x < T{0}, x) = T{0};
    return x;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> y, const Parameters&) {
    return select<T>(y > T{0}, T{1}, T{0});
  }
};

struct LeakyRelu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters& p) {
    return select<T>(x < T{0}, x * static_cast<T>(p.value[0]), x);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> y, const Parameters& p) {
    return select<T>(y > T{0}, T{1}, static_cast<T>(p.value[0]));
  }
};

// Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
// exponential linear units (ELUs)", ICLR 2016.
struct Elu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters& p) {
    const T alpha = static_cast<T>(p.value[0]);
    const auto [high, low] = expm1_negative<T>(x);
    return select<T>(x >= T{0}, x, multiply_add<T>(alpha, high, alpha * low));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> y, const Parameters& p) {
    return select<T>(y > T{0}, T{1}, y + static_cast<T>(p.value[0]));
  }
};

// Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS
// 2017.
struct Selu {
  static constexpr double scale = 1.0507009873554804934;
  static constexpr double scale_alpha = 1.7580993408473768599;

  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    const T factor = static_cast<T>(scale_alpha);
    const T factor_low = static_cast<T>(scale_alpha - static_cast<double>(factor));
    const auto [high, low] = expm1_negative<T>(x);
    const Vec<T> correction = multiply_add<T>(factor, low, factor_low * high);
    const Vec<T> negative = multiply_add<T>(factor, high, correction);
    return select<T>(x >= T{0}, x * static_cast<T>(scale), negative);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> y, const Parameters&) {
    return select<T>(y > T{0}, static_cast<T>(scale), y + static_cast<T>(scale_alpha));
  }
};

// (numerator + low) / (1 + e + e_low) for 0 <= e <= 1, the lows being of the size of rounding
// errors. The quotient of the rounded numbers is corrected to first order by them and by what
// rounding 1 + e loses; for that the inverse of 1 + e, within 1/60, is good enough.
template <class T>
UNITGAIN_INLINE Vec<T> divide_by_one_plus(Vec<T> numerator, Vec<T> low, Vec<T> e, Vec<T> e_low) {
  const Vec<T> sum = T{1} + e;
  const Vec<T> sum_low = (e - (sum - T{1})) + e_low;
  const Vec<T> inverse = polynomial<T>(e, {T(1), T(-5. / 6), T(1. / 3)});
  const Vec<T> quotient = numerator / sum;
  return multiply_add<T>(multiply_add<T>(-quotient, sum_low, low), inverse, quotient);
}

// 1 / (1 + e) and e / (1 + e), e = exp(-|x|): neither cancels or overflows.
struct Sigmoid {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    const auto [value, scale, lost] = scaled_exp<T>(-absolute<T>(x), Format<T>::exp_zero);
    const Vec<T> e = value * scale, e_low = e * lost;
    const Mask<T> negative = x < T{0};
    return divide_by_one_plus<T>(select<T>(negative, e, T{1}), select<T>(negative, e_low, T{0}), e,
                                 e_low);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> y, const Parameters&) {
    return y * (T{1} - y);
  }
};

// Near 0, x minus a convergent of Lambert's continued fraction tanh x = x / (1 + x^2 / (3 + x^2 /
// (5 +
// ...))): five levels in float and eight in double, whose errors at 0.625 are 2^-30 and 2^-57.
// Beyond, 1 - 2 / (exp 2x + 1), which stays clear of cancellation there. One division serves both.
struct Tanh {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    Vec<T> a = absolute<T>(x);
    stdx::where(a > Format<T>::tanh_constant, a) = Format<T>::tanh_constant;
    const Mask<T> near = a < T(0.625);
    const Vec<T> square = a * a;
    Vec<T> numerator, denominator;
    if constexpr (sizeof(T) == 4) {
      numerator = polynomial<T>(square, {-315, -14});
      denominator = polynomial<T>(square, {945, 420, 15});
    } else {
      numerator = polynomial<T>(square, {-675675, -45045, -594, -1});
      denominator = polynomial<T>(square, {2027025, 945945, 51975, 630, 1});
    }
    numerator = select<T>(near, a * square * numerator, T{-2});
    denominator = select<T>(near, denominator, exp_moderate<T>(a + a) + T{1});
    return with_sign<T>(select<T>(near, a, T{1}) + numerator / denominator, x);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> y, const Parameters&) {
    return (T{1} - y) * (T{1} + y);
  }
};

// Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016; Ramachandran, Zoph and
// Le, "Searching for activation functions", 2017 (as swish).
struct Silu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    const Mask<T> negative = x < T{0};
    // x exp x keeps its precision where exp x alone is below the normal range.
    const auto [value, scale, lost] = scaled_exp<T>(-absolute<T>(x), Format<T>::silu_zero);
    const Vec<T> e = value * scale;
    const Vec<T> factor = select<T>(negative, value, T{1});
    const Vec<T> numerator = x * factor;
    const Vec<T> low = multiply_add<T>(numerator, select<T>(negative, lost, T{0}),
                                       product_error<T>(x, factor, numerator));
    Vec<T> y = divide_by_one_plus<T>(numerator, low, e, e * lost);
    stdx::where(negative, y) = y * scale;
    stdx::where(x < Format<T>::silu_zero, y) = T{-0.0};
    // Infinity and -0 too, which the correction would spoil.
    stdx::where(x > -Format<T>::silu_zero || x == T{0}, y) = x;
    return y;
  }
  // s (1 + x (1 - s)) with s = sigmoid x.
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters&) {
    constexpr T limit = -Format<T>::silu_zero;
    stdx::where(x > limit, x) = limit;
    stdx::where(x < -limit, x) = -limit;
    const Mask<T> negative = x < T{0};
    const auto [value, scale, lost] = scaled_exp<T>(-absolute<T>(x), Format<T>::exp_zero);
    const Vec<T> e = value * scale;
    const Vec<T> inverse = T{1} / (T{1} + e);
    const Vec<T> other = e * inverse;
    const Vec<T> s = select<T>(negative, other, inverse);
    const Vec<T> rest = select<T>(negative, inverse, other);
    return s * multiply_add<T>(x, rest, T{1});
  }
};

template <class Formula, class T>
void forward(const T* x, T* y, Index n, const double* parameters) {
  const Parameters p{{parameters[0], parameters[1]}};
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    store_at(Formula::template forward<T>(load_at(x), p), y);
  });
}

template <class Formula, class T>
void gradient(const T* saved, const T* upstream, T* result, Index n, const double* parameters) {
  const Parameters p{{parameters[0], parameters[1]}};
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    store_at(load_at(upstream) * Formula::template derivative<T>(load_at(saved), p), result);
  });
}

template <class Formula, class T>
constexpr ActivationKernel<T> row = {&forward<Formula, T>, &gradient<Formula, T>};

// In the order of the enumeration Activation.
template <class T>
constexpr ActivationKernels<T> rows = {{row<Linear, T>, row<Relu, T>, row<LeakyRelu, T>,
                                        row<Elu, T>, row<Selu, T>, row<Sigmoid, T>, row<Tanh, T>,
                                        row<Silu, T>}};

}  // namespace

constinit const ActivationKernels<float> activation_f32 = rows<float>;
constinit const ActivationKernels<double> activation_f64 = rows<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
