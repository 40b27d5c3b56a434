#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::tests {

template <class T>
static const simd::OptimizerKernels<T>& kernels() {
  return *runtime::kernels<T>().optimizer;
}

UNITGAIN_TYPED_TEST(sgd_follows_its_formula) {
  for (const Index n : sizes) {
    const auto before = random_array<T>(n, 1);
    const auto g = random_array<T>(n, 2);
    const Array<T> w = before;
    const T rate = T(0.3);
    kernels<T>().sgd(w.data(), g.data(), n, rate);
    for (Index i = 0; i < n; ++i) {
      CHECK_NEAR(w[i], before[i] - Reference<T>(rate) * g[i], 2 * epsilon<T>,
                 "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(sgd_with_momentum_follows_its_formula) {
  const T rate = T(0.3);
  const T momentum = T(0.9);
  for (const bool nesterov : {false, true}) {
    for (const Index n : sizes) {
      const auto w_before = random_array<T>(n, 1);
      const auto v_before = random_array<T>(n, 2);
      const auto g = random_array<T>(n, 3);
      const Array<T> w = w_before;
      const Array<T> v = v_before;
      kernels<T>().sgd_momentum(w.data(), g.data(), v.data(), n, rate, momentum, nesterov);
      for (Index i = 0; i < n; ++i) {
        const Reference<T> step = Reference<T>(rate) * g[i];
        const Reference<T> velocity = Reference<T>(momentum) * v_before[i] - step;
        const Reference<T> moved = nesterov ? momentum * velocity - step : velocity;
        CHECK_NEAR(v[i], velocity, 3 * epsilon<T>, "n = " << n << ", i = " << i);
        CHECK_NEAR(w[i], w_before[i] + moved, 6 * epsilon<T>,
                   "n = " << n << ", i = " << i << ", nesterov = " << nesterov);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(adam_follows_its_formula) {
  const T rate = T(0.01);
  const T one_minus_beta_1 = T(0.1);
  const T one_minus_beta_2 = T(0.001);
  const T small = T(1e-7);
  for (const Index n : sizes) {
    const auto w_before = random_array<T>(n, 1);
    const auto m_before = random_array<T>(n, 2);
    const auto v_before = random_array<T>(n, 3, 0.0, 1.0);
    const auto g = random_array<T>(n, 4);
    const Array<T> w = w_before;
    const Array<T> m = m_before;
    const Array<T> v = v_before;
    kernels<T>().adam(w.data(), g.data(), m.data(), v.data(), n, rate, one_minus_beta_1,
                      one_minus_beta_2, small);
    for (Index i = 0; i < n; ++i) {
      const Reference<T> gradient = g[i];
      const Reference<T> mean = m_before[i] + (gradient - m_before[i]) * one_minus_beta_1;
      const Reference<T> square =
          v_before[i] + (gradient * gradient - v_before[i]) * one_minus_beta_2;
      const Reference<T> step = rate * mean / (std::sqrt(square) + small);
      CHECK_NEAR(m[i], mean, 4 * epsilon<T>, "n = " << n << ", i = " << i);
      CHECK_NEAR(v[i], square, 4 * epsilon<T>, "n = " << n << ", i = " << i);
      // The step inherits the absolute errors of m and v: v's relative error is halved by the root.
      const Reference<T> bound =
          epsilon<T> * (2 + std::abs(step) * (8 + 4 / square) + rate * 4 / std::sqrt(square));
      CHECK_NEAR(w[i], w_before[i] - step, bound, "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(adam_stands_still_without_gradients) {
  const Array<T> w = random_array<T>(33, 1);
  const Array<T> expected = w;
  const Array<T> zeros(33, 0.0);
  const Array<T> m(33, 0.0);
  const Array<T> v(33, 0.0);
  kernels<T>().adam(w.data(), zeros.data(), m.data(), v.data(), 33, T(0.1), T(0.1), T(0.001),
                    T(1e-7));
  for (Index i = 0; i < 33; ++i) CHECK(w[i] == expected[i], "i = " << i);
}

}  // namespace unitgain::tests
