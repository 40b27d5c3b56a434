#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::tests {

template <class T>
static const simd::VectorKernels<T>& kernels() {
  return *runtime::kernels<T>().vector;
}

UNITGAIN_TYPED_TEST(dot_is_the_sum_of_products) {
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1);
    const auto y = random_array<T>(n, 2);
    Reference<T> expected = 0;
    Reference<T> magnitude = 0;
    for (Index i = 0; i < n; ++i) {
      expected += Reference<T>(x[i]) * y[i];
      magnitude += std::abs(Reference<T>(x[i]) * y[i]);
    }
    CHECK_NEAR(kernels<T>().dot(x.data(), y.data(), n), expected,
               static_cast<Reference<T>>(n + 1) * epsilon<T> * magnitude, "n = " << n);
  }
}

UNITGAIN_TYPED_TEST(axpy_adds_a_multiple) {
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1);
    const auto before = random_array<T>(n, 2);
    const Array<T> y = before;
    const T alpha = T(-1.75);
    kernels<T>().axpy(alpha, x.data(), y.data(), n);
    for (Index i = 0; i < n; ++i) {
      CHECK_NEAR(y[i], Reference<T>(alpha) * x[i] + before[i], 3 * epsilon<T>,
                 "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(scale_and_add_round_once) {
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1);
    const auto y = random_array<T>(n, 2);
    const Array<T> scaled = x;
    const T alpha = T(0.3);
    kernels<T>().scale(alpha, scaled.data(), n);
    const Array<T> sum(n);
    kernels<T>().add(x.data(), y.data(), sum.data(), n);
    const Array<T> in_place = x;
    kernels<T>().add(in_place.data(), y.data(), in_place.data(), n);
    for (Index i = 0; i < n; ++i) {
      CHECK(scaled[i] == x[i] * alpha, "n = " << n << ", i = " << i);
      CHECK(sum[i] == x[i] + y[i], "n = " << n << ", i = " << i);
      CHECK(in_place[i] == sum[i], "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(rotate_turns_every_pair) {
  const T c = T(0.6);
  const T s = T(-0.8);
  for (const Index n : sizes) {
    const auto x_before = random_array<T>(n, 1);
    const auto y_before = random_array<T>(n, 2);
    const Array<T> x = x_before;
    const Array<T> y = y_before;
    kernels<T>().rotate(x.data(), y.data(), n, c, s);
    for (Index i = 0; i < n; ++i) {
      const Reference<T> old_x = x_before[i];
      const Reference<T> old_y = y_before[i];
      CHECK_NEAR(x[i], c * old_x - s * old_y, 3 * epsilon<T>, "n = " << n << ", i = " << i);
      CHECK_NEAR(y[i], s * old_x + c * old_y, 3 * epsilon<T>, "n = " << n << ", i = " << i);
    }
  }
}

}  // namespace unitgain::tests
