#include <vector>

#include "check.hpp"
#include "formulas.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "unitgain/activation.hpp"

namespace unitgain::tests {

template <class T>
static const simd::ActivationKernel<T>& kernel(const ActivationSpec& spec) {
  return runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
}

static const std::vector<ActivationSpec>& all_activations() {
  static const std::vector<ActivationSpec> specs = {
      {Activation::linear, {}},    {Activation::relu, {}},      {Activation::leaky_relu, {0.2, 0}},
      {Activation::elu, {1.0, 0}}, {Activation::elu, {0.7, 0}}, {Activation::selu, {}},
      {Activation::sigmoid, {}},   {Activation::tanh, {}},      {Activation::silu, {}},
  };
  return specs;
}

// The distance from |value| to the next larger number.
template <class T>
static Reference<T> ulp(Reference<T> value) {
  const T magnitude = static_cast<T>(std::abs(value));
  if (!std::isfinite(magnitude)) return 0;
  return Reference<T>(std::nextafter(magnitude, std::numeric_limits<T>::infinity())) - magnitude;
}

// Every exponent of T with several mantissas each, both signs.
template <class T>
static Array<T> whole_range() {
  constexpr int lowest = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
  constexpr int highest = std::numeric_limits<T>::max_exponent;
  std::vector<T> values;
  std::mt19937_64 generator(7);
  for (int exponent = lowest; exponent <= highest; ++exponent) {
    const int count = exponent > -12 && exponent < 12 ? 64 : 3;
    for (int i = 0; i < count; ++i) {
      const double mantissa = 0.5 + static_cast<double>(generator() >> 12) * 0x1p-53;
      values.push_back(std::ldexp(static_cast<T>(mantissa), exponent));
      values.push_back(-values.back());
    }
  }
  const Array<T> array(static_cast<Index>(values.size()));
  std::copy(values.begin(), values.end(), array.begin());
  return array;
}

#define WHICH "activation " << static_cast<int>(spec.kind)

UNITGAIN_TYPED_TEST(activations_are_accurate_over_the_whole_range) {
  constexpr int ulps = 2;
  const Array<T> x = whole_range<T>();
  for (const ActivationSpec& spec : all_activations()) {
    const Array<T> y(x.size());
    kernel<T>(spec).forward(x.data(), y.data(), x.size(), spec.parameters);
    for (Index i = 0; i < x.size(); ++i) {
      const Reference<T> expected = activation(spec, Reference<T>(x[i]));
      CHECK_NEAR(y[i], expected, ulps * ulp<T>(expected), WHICH << " of " << x[i]);
    }
  }
}

UNITGAIN_TYPED_TEST(activations_are_exact_at_zero_infinity_and_nan) {
  constexpr T inf = std::numeric_limits<T>::infinity();
  const Array<T> x = {0.0, inf, -inf, std::numeric_limits<double>::quiet_NaN()};
  for (const ActivationSpec& spec : all_activations()) {
    const Array<T> y(x.size());
    kernel<T>(spec).forward(x.data(), y.data(), x.size(), spec.parameters);
    CHECK(y[0] == activation(spec, T(0)), WHICH << " of 0 is " << y[0]);
    CHECK(y[1] == activation(spec, inf), WHICH << " of infinity is " << y[1]);
    const T at_minus_infinity = static_cast<T>(activation(spec, -Reference<T>(inf)));
    CHECK(y[2] == at_minus_infinity, WHICH << " of -infinity is " << y[2]);
    CHECK(std::isnan(y[3]), WHICH << " of NaN is " << y[3]);
  }
}

UNITGAIN_TYPED_TEST(activations_do_not_depend_on_size_or_place) {
  for (const ActivationSpec& spec : all_activations()) {
    const auto all = random_array<T>(300, 1, -5.0, 5.0);
    const Array<T> expected(300);
    kernel<T>(spec).forward(all.data(), expected.data(), 300, spec.parameters);
    for (const Index n : sizes) {
      const Array<T> x(n);
      std::copy(all.end() - n, all.end(), x.begin());
      const Array<T> y(n);
      kernel<T>(spec).forward(x.data(), y.data(), n, spec.parameters);
      kernel<T>(spec).forward(x.data(), x.data(), n, spec.parameters);
      for (Index i = 0; i < n; ++i) {
        CHECK(y[i] == expected[300 - n + i], WHICH << ", n = " << n << ", i = " << i);
        CHECK(x[i] == y[i], WHICH << " in place, n = " << n << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(activation_gradients_match_the_derivative) {
  for (const ActivationSpec& spec : all_activations()) {
    const bool saves_input = activation_info(spec.kind).saves_input;
    for (const Index n : sizes) {
      const auto x = random_array<T>(n, 1, -6.0, 6.0);
      const auto upstream = random_array<T>(n, 2);
      const Array<T> saved = x;
      if (!saves_input) kernel<T>(spec).forward(x.data(), saved.data(), n, spec.parameters);
      const Array<T> gradient(n);
      kernel<T>(spec).gradient(saved.data(), upstream.data(), gradient.data(), n, spec.parameters);
      const Array<T> over_saved = saved;
      kernel<T>(spec).gradient(over_saved.data(), upstream.data(), over_saved.data(), n,
                               spec.parameters);
      const Array<T> over_upstream = upstream;
      kernel<T>(spec).gradient(saved.data(), over_upstream.data(), over_upstream.data(), n,
                               spec.parameters);
      for (Index i = 0; i < n; ++i) {
        // A saved output y is rounded, and its error comes into y (1 - y), 1 - y^2 or y + alpha
        // whole.
        CHECK_NEAR(gradient[i], upstream[i] * derivative(spec, Reference<T>(x[i])), 12 * epsilon<T>,
                   WHICH << " at " << x[i] << ", n = " << n << ", i = " << i);
        CHECK(over_saved[i] == gradient[i], WHICH << ", n = " << n << ", i = " << i);
        CHECK(over_upstream[i] == gradient[i], WHICH << ", n = " << n << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(activation_gradients_at_the_kink_come_from_the_left) {
  const Array<T> zero(5, 0.0);
  const Array<T> ones(5, 1.0);
  for (const ActivationSpec& spec : all_activations()) {
    if (spec.kind == Activation::sigmoid) continue;  // saved 0 is sigmoid(-infinity)
    const Array<T> gradient(5);
    kernel<T>(spec).gradient(zero.data(), ones.data(), gradient.data(), 5, spec.parameters);
    for (const T value : gradient) {
      CHECK_NEAR(value, derivative(spec, Reference<T>(0)), 2 * epsilon<T>, WHICH);
    }
  }
}

}  // namespace unitgain::tests
