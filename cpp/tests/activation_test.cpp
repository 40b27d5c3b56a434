#include <vector>

#include "check.hpp"
#include "formulas.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/activation.hpp"
#include "unitgain/activation.hpp"

namespace unitgain::tests {

template <class T>
static const simd::ActivationKernel<T>& kernel(const ActivationSpec& spec) {
  return *runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
}

static const std::vector<ActivationSpec>& all_activations() {
  static const std::vector<ActivationSpec> specs = {
      {Activation::linear, {}},        {Activation::relu, {}},
      {Activation::leaky_relu, {0.2}}, {Activation::elu, {1.0}},
      {Activation::elu, {0.7}},        {Activation::selu, {}},
      {Activation::sigmoid, {}},       {Activation::tanh, {}},
      {Activation::silu, {}},          {Activation::step, {}},
      {Activation::relu6, {}},         {Activation::general_relu, {0.25, 5.0, 1.0}},
      {Activation::celu, {1.0}},       {Activation::celu, {0.7}},
      {Activation::gelu, {}},          {Activation::gelu_tanh, {}},
      {Activation::hard_sigmoid, {}},  {Activation::softplus, {}},
      {Activation::log_sigmoid, {}},   {Activation::softsign, {}},
      {Activation::hard_silu, {}},     {Activation::mish, {}},
      {Activation::exponential, {}},
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
    // Far and near values side by side take different ways through the quick kernels.
    const auto all = random_array<T>(300, 1, -5.0, 5.0);
    for (Index i = 0; i < 300; i += 7) all[i] *= T{10};
    const Array<T> expected(300), slopes(300), ones(300, 1.0);
    const auto& row = kernel<T>(spec);
    row.forward(all.data(), expected.data(), 300, spec.parameters);
    row.gradient(all.data(), ones.data(), slopes.data(), 300, spec.parameters);
    for (const Index n : sizes) {
      const Array<T> x(n);
      std::copy(all.end() - n, all.end(), x.begin());
      const Array<T> y(n), in_place = x, over_x = x, over_upstream(n, 1.0);
      row.forward(x.data(), y.data(), n, spec.parameters);
      row.forward(in_place.data(), in_place.data(), n, spec.parameters);
      row.gradient(over_x.data(), ones.data(), over_x.data(), n, spec.parameters);
      row.gradient(x.data(), over_upstream.data(), over_upstream.data(), n, spec.parameters);
      for (Index i = 0; i < n; ++i) {
        CHECK(y[i] == expected[300 - n + i], WHICH << ", n = " << n << ", i = " << i);
        CHECK(in_place[i] == y[i], WHICH << " in place, n = " << n << ", i = " << i);
        const T slope = slopes[300 - n + i];
        CHECK(over_x[i] == slope, WHICH << " over x, n = " << n << ", i = " << i);
        CHECK(over_upstream[i] == slope, WHICH << " over upstream, n = " << n << ", i = " << i);
      }
    }
  }
}

// Where a formula's terms cancel in the reference too, its error is relative to 1.
UNITGAIN_TYPED_TEST(activation_derivatives_are_accurate_over_the_whole_range) {
  constexpr int ulps = 2;
  const Array<T> x = whole_range<T>();
  const Array<T> ones(x.size(), 1.0);
  for (const ActivationSpec& spec : all_activations()) {
    const Array<T> slope(x.size());
    kernel<T>(spec).gradient(x.data(), ones.data(), slope.data(), x.size(), spec.parameters);
    for (Index i = 0; i < x.size(); ++i) {
      const Reference<T> expected = derivative(spec, Reference<T>(x[i]));
      const bool cancels = x[i] < 0 && activation_info(spec.kind).saves_input;
      const Reference<T> lost = cancels ? 8 * std::numeric_limits<Reference<T>>::epsilon() : 0;
      CHECK_NEAR(slope[i], expected, ulps * ulp<T>(expected) + lost, WHICH << " at " << x[i]);
    }
  }
}

template <class T>
using GradientKernel = void (*)(const T*, const T*, T*, Index, const double*);

// One form of the gradient at `from` (input or output) against the derivative at x, in place too.
template <class T>
static void check_gradient(GradientKernel<T> gradient, const ActivationSpec& spec,
                           const Array<T>& x, const Array<T>& from) {
  const Index n = x.size();
  const auto upstream = random_array<T>(n, 2);
  const Array<T> result(n), over_from = from, over_upstream = upstream;
  gradient(from.data(), upstream.data(), result.data(), n, spec.parameters);
  gradient(over_from.data(), upstream.data(), over_from.data(), n, spec.parameters);
  gradient(from.data(), over_upstream.data(), over_upstream.data(), n, spec.parameters);
  for (Index i = 0; i < n; ++i) {
    // A saved output y is rounded, and its error comes into y (1 - y), 1 - y^2 or y + alpha whole.
    const Reference<T> expected = upstream[i] * derivative(spec, Reference<T>(x[i]));
    const Reference<T> size = std::max(Reference<T>(1), std::abs(expected));
    CHECK_NEAR(result[i], expected, 12 * epsilon<T> * size,
               WHICH << " at " << x[i] << ", n = " << n << ", i = " << i);
    CHECK(over_from[i] == result[i], WHICH << ", n = " << n << ", i = " << i);
    CHECK(over_upstream[i] == result[i], WHICH << ", n = " << n << ", i = " << i);
  }
}

UNITGAIN_TYPED_TEST(activation_gradients_match_the_derivative) {
  for (const ActivationSpec& spec : all_activations()) {
    const auto& row = kernel<T>(spec);
    CHECK((row.gradient_at_output == nullptr) == activation_info(spec.kind).saves_input, WHICH);
    for (const Index n : sizes) {
      const auto x = random_array<T>(n, 1, -6.5, 6.5);
      check_gradient<T>(row.gradient, spec, x, x);
      if (row.gradient_at_output == nullptr) continue;
      const Array<T> y(n);
      row.forward(x.data(), y.data(), n, spec.parameters);
      check_gradient<T>(row.gradient_at_output, spec, x, y);
    }
  }
}

UNITGAIN_TYPED_TEST(activation_gradients_at_the_kink_come_from_the_left) {
  const Array<T> zero(5, 0.0);
  const Array<T> ones(5, 1.0);
  for (const ActivationSpec& spec : all_activations()) {
    const Array<T> y(5), gradient(5);
    const auto& row = kernel<T>(spec);
    const auto check = [&] {
      for (const T value : gradient) {
        CHECK_NEAR(value, derivative(spec, Reference<T>(0)), 2 * epsilon<T>, WHICH);
      }
    };
    row.gradient(zero.data(), ones.data(), gradient.data(), 5, spec.parameters);
    check();
    if (row.gradient_at_output == nullptr) continue;
    row.forward(zero.data(), y.data(), 5, spec.parameters);
    row.gradient_at_output(y.data(), ones.data(), gradient.data(), 5, spec.parameters);
    check();
  }
}

}  // namespace unitgain::tests
