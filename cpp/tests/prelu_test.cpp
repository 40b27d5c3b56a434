#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/activation.hpp"

namespace unitgain::tests {

UNITGAIN_TYPED_TEST(prelu_scales_what_is_negative) {
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1), alpha = random_array<T>(n, 2);
    const Array<T> y(n), in_place = x;
    runtime::kernels<T>().prelu->forward(x.data(), alpha.data(), y.data(), n);
    runtime::kernels<T>().prelu->forward(in_place.data(), alpha.data(), in_place.data(), n);
    for (Index i = 0; i < n; ++i) {
      CHECK(y[i] == (x[i] > 0 ? x[i] : alpha[i] * x[i]), "n = " << n << ", i = " << i);
      CHECK(in_place[i] == y[i], "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(prelu_gradients_are_the_slopes_and_what_they_are_multiplied_by) {
  const auto& prelu = *runtime::kernels<T>().prelu;
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1), alpha = random_array<T>(n, 2);
    const auto upstream = random_array<T>(n, 3);
    const Array<T> gradient(n), products(n), alone(n), over_x = x;
    prelu.gradient(x.data(), alpha.data(), upstream.data(), gradient.data(), products.data(), n);
    prelu.gradient(x.data(), alpha.data(), upstream.data(), nullptr, alone.data(), n);
    prelu.gradient(over_x.data(), alpha.data(), upstream.data(), over_x.data(), nullptr, n);
    for (Index i = 0; i < n; ++i) {
      const bool positive = x[i] > 0;
      CHECK(gradient[i] == (positive ? upstream[i] : upstream[i] * alpha[i]), "i = " << i);
      CHECK(products[i] == (positive ? T(0) : upstream[i] * x[i]), "i = " << i);
      CHECK(alone[i] == products[i] && over_x[i] == gradient[i], "n = " << n << ", i = " << i);
    }
  }
}

}  // namespace unitgain::tests
