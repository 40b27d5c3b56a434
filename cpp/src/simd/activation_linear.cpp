// The activations that are linear in pieces, and their products with x: no transcendental
// function. At a lower kink the derivative comes from the left (relu'(0) = 0); from where the
// function saturates it is 0, as in PyTorch.
#include "simd/activation.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// A slope, but NaN where x is NaN.
template <class T>
UNITGAIN_INLINE Vec<T> unless_nan(Vec<T> x, Vec<T> slope) {
  return select<T>(x == x, slope, x);
}

struct Linear {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    return x;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T>, const Parameters&) {
    return T{1};
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T>, const Parameters&) {
    return T{1};
  }
};

// The Heaviside step, 1 at 0.
struct Step {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    return unless_nan<T>(x, select<T>(x >= T{0}, T{1}, T{0}));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T>, const Parameters&) {
    return T{0};
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T>, const Parameters&) {
    return T{0};
  }
};

struct Relu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    where(x < T{0}, x) = T{0};
    return x;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters&) {
    return select<T>(x > T{0}, T{1}, T{0});
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters& p) {
    return derivative<T>(y, p);
  }
};

// Source: Howard and others, "MobileNets", 2017.
struct Relu6 {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    where(x < T{0}, x) = T{0};
    where(x > T{6}, x) = T{6};
    return x;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters&) {
    return select<T>(x > T{0} && x < T{6}, T{1}, T{0});
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters& p) {
    return derivative<T>(y, p);
  }
};

struct LeakyRelu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters& p) {
    return select<T>(x < T{0}, x * static_cast<T>(p.value[0]), x);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters& p) {
    return select<T>(x > T{0}, T{1}, static_cast<T>(p.value[0]));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters& p) {
    return derivative<T>(y, p);
  }
};

// Keras's relu with all its parameters: x, but at most max_value, from the threshold on, and
// slope (x - threshold) below, which max_value does not bound.
struct GeneralRelu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters& p) {
    const T slope = static_cast<T>(p.value[0]), max_value = static_cast<T>(p.value[1]);
    const T threshold = static_cast<T>(p.value[2]);
    Vec<T> y = x;
    where(x > max_value, y) = max_value;
    where(x < threshold, y) = slope == T{0} ? Vec<T>(T{0}) : slope * (x - threshold);
    return y;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters& p) {
    const T max_value = static_cast<T>(p.value[1]), threshold = static_cast<T>(p.value[2]);
    Vec<T> slope = select<T>(x > threshold, T{1}, static_cast<T>(p.value[0]));
    where(x >= max_value && x > threshold, slope) = T{0};
    return slope;
  }
};

// relu6(x + 3) / 6. x + 3 is exact near -3, and two roundings follow.
struct HardSigmoid {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    where(x < T{-3}, x) = T{-3};
    where(x > T{3}, x) = T{3};
    return select<T>(x == T{3}, T{1}, (x + T{3}) * T(1. / 6));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters&) {
    return select<T>(x > T{-3} && x < T{3}, T(1. / 6), T{0});
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative_at_output(Vec<T> y, const Parameters&) {
    return select<T>(y > T{0} && y < T{1}, T(1. / 6), T{0});
  }
};

// x relu6(x + 3) / 6. What x + 3 and its product with x lose is added back.
// Source: Howard and others, "Searching for MobileNetV3", ICCV 2019.
struct HardSilu {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, const Parameters&) {
    Vec<T> a = x;
    where(x < T{-3}, a) = T{-3};
    where(x > T{3}, a) = T{3};
    const Vec<T> sum = T{3} + a, sum_low = a - (sum - T{3});
    const Vec<T> product = a * sum;
    const Vec<T> low = product_error<T>(a, sum, product) + a * sum_low;
    const Vec<T> y = multiply_add<T>(product, T(1. / 6), low * T(1. / 6));
    // -0 / 6 and the like keep their sign.
    return select<T>(x >= T{3}, x, select<T>(x == T{0}, x, y));
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> derivative(Vec<T> x, const Parameters&) {
    const Vec<T> inside = multiply_add<T>(x, T{2}, T{3}) * T(1. / 6);
    return select<T>(x <= T{-3}, T{0}, select<T>(x >= T{3}, T{1}, inside));
  }
#if defined(UNITGAIN_TABLES)
  // The same forward formula in fewer instructions.
  UNITGAIN_INLINE static Vec<float> quick_forward(Vec<float> x, const Parameters&) {
    const Vec<float> a = smaller(3.0f, larger(-3.0f, x));
    const Vec<float> sum = 3.0f + a, sum_low = a - (sum - 3.0f);
    const Vec<float> product = a * sum;
    const Vec<float> low = multiply_add<float>(a, sum_low, fused(a, sum, -product));
    const Vec<float> y = multiply_add<float>(product, 1.0f / 6, low * (1.0f / 6));
    return select<float>(x >= 3.0f, x, with_sign<float>(y, x));
  }
#endif
};

}  // namespace

UNITGAIN_ACTIVATION(linear, Linear)
UNITGAIN_ACTIVATION(step, Step)
UNITGAIN_ACTIVATION(relu, Relu)
UNITGAIN_ACTIVATION(general_relu, GeneralRelu)
UNITGAIN_ACTIVATION(relu6, Relu6)
UNITGAIN_ACTIVATION(leaky_relu, LeakyRelu)
UNITGAIN_ACTIVATION(hard_sigmoid, HardSigmoid)
UNITGAIN_ACTIVATION(hard_silu, HardSilu)

}  // namespace unitgain::simd::UNITGAIN_VARIANT
