#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::tests {

template <class T>
static const simd::SoftmaxKernels<T>& kernels() {
  return *runtime::kernels<T>().softmax;
}

// exp(x_i - max) / sum, and the logarithm of the sum of exponentials.
template <class T>
struct ExpectedSoftmax {
  explicit ExpectedSoftmax(const Array<T>& x) {
    Reference<T> largest = x[0];
    for (const T value : x) largest = std::max(largest, Reference<T>(value));
    Reference<T> sum = 0;
    for (const T value : x) {
      probability.push_back(std::exp(value - largest));
      sum += probability.back();
    }
    for (auto& value : probability) value /= sum;
    log_sum = largest + std::log(sum);
  }
  std::vector<Reference<T>> probability;
  Reference<T> log_sum;
};

// Rounding x_i - max to T moves the exponential by that difference's rounding, which `spread`
// bounds.
template <class T>
static Reference<T> softmax_bound(Index n, Reference<T> spread, Reference<T> probability) {
  return epsilon<T> * (static_cast<Reference<T>>(n) / 4 + 8 + spread) * probability +
         2 * std::numeric_limits<T>::denorm_min();
}

UNITGAIN_TYPED_TEST(softmax_matches_the_reference) {
  for (const Index n : sizes) {
    if (n == 0) continue;
    for (const double spread : {1.0, 30.0, 1e4}) {
      const auto x = random_array<T>(n, 1, -spread, spread);
      const ExpectedSoftmax<T> expected(x);
      const Array<T> y(n);
      kernels<T>().softmax(x.data(), y.data(), n);
      const Array<T> in_place = x;
      kernels<T>().softmax(in_place.data(), in_place.data(), n);
      for (Index i = 0; i < n; ++i) {
        const auto probability = expected.probability[static_cast<std::size_t>(i)];
        CHECK_NEAR(y[i], probability, softmax_bound<T>(n, 2 * spread, probability),
                   "n = " << n << ", i = " << i << ", spread = " << spread);
        CHECK(in_place[i] == y[i], "n = " << n << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(softmax_of_minus_infinity_is_zero) {
  const double inf = std::numeric_limits<double>::infinity();
  const Array<T> x = {0.0, -inf, 0.0, 0.0, -inf, 0.0};
  const Array<T> y(6);
  kernels<T>().softmax(x.data(), y.data(), 6);
  for (Index i = 0; i < 6; ++i) {
    CHECK_NEAR(y[i], std::isinf(x[i]) ? Reference<T>(0) : Reference<T>(0.25), epsilon<T>,
               "i = " << i);
  }
}

UNITGAIN_TYPED_TEST(softmax_of_nan_is_nan_throughout) {
  for (const Index n : {1, 3, 17, 64}) {
    for (const Index place : {Index{0}, n / 2, n - 1}) {
      const auto x = random_array<T>(n, 1);
      x[place] = std::numeric_limits<T>::quiet_NaN();
      const Array<T> y(n);
      kernels<T>().softmax(x.data(), y.data(), n);
      for (Index i = 0; i < n; ++i) CHECK(std::isnan(y[i]), "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(softmax_gradient_matches_the_reference) {
  for (const Index n : sizes) {
    if (n == 0) continue;
    const auto y = random_array<T>(n, 1, 0.0, 1.0);
    const auto upstream = random_array<T>(n, 2);
    Reference<T> inner = 0;
    Reference<T> magnitude = 0;
    for (Index i = 0; i < n; ++i) {
      inner += Reference<T>(upstream[i]) * y[i];
      magnitude += std::abs(Reference<T>(upstream[i]) * y[i]);
    }
    const Array<T> gradient(n);
    kernels<T>().gradient(y.data(), upstream.data(), gradient.data(), n);
    const Array<T> in_place = upstream;
    kernels<T>().gradient(y.data(), in_place.data(), in_place.data(), n);
    for (Index i = 0; i < n; ++i) {
      const Reference<T> bound = epsilon<T> * y[i] * (4 + static_cast<Reference<T>>(n) * magnitude);
      CHECK_NEAR(gradient[i], y[i] * (upstream[i] - inner), bound, "n = " << n << ", i = " << i);
      CHECK(in_place[i] == gradient[i], "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(cross_entropy_matches_the_reference) {
  for (const Index n : sizes) {
    if (n == 0) continue;
    for (const double spread : {2.0, 100.0}) {
      const auto logits = random_array<T>(n, 5, -spread, spread);
      const ExpectedSoftmax<T> expected(logits);
      const Index largest = std::max_element(logits.begin(), logits.end()) - logits.begin();
      const T scale = T(0.125);
      for (const Index label : {Index{0}, n / 2, n - 1}) {
        const Array<T> gradient(n);
        Index predicted = -1;
        const double loss = kernels<T>().sparse_cross_entropy(logits.data(), n, label, scale,
                                                              gradient.data(), &predicted);
        const Reference<T> relative =
            epsilon<T> * (static_cast<Reference<T>>(n) / 4 + 8 + 2 * spread);
        CHECK_NEAR(loss, expected.log_sum - logits[label], relative,
                   "n = " << n << ", label = " << label);
        CHECK(predicted == largest, "n = " << n << ", predicted = " << predicted);
        for (Index i = 0; i < n; ++i) {
          const auto probability = expected.probability[static_cast<std::size_t>(i)];
          CHECK_NEAR(gradient[i], scale * (probability - (i == label ? 1 : 0)),
                     scale * softmax_bound<T>(n, 2 * spread, probability) + scale * epsilon<T>,
                     "n = " << n << ", label = " << label << ", i = " << i);
        }
        const Array<T> in_place = logits;
        const double again = kernels<T>().sparse_cross_entropy(in_place.data(), n, label, scale,
                                                               in_place.data(), &predicted);
        CHECK(again == loss, "n = " << n);
        for (Index i = 0; i < n; ++i) CHECK(in_place[i] == gradient[i], "n = " << n);
        CHECK(kernels<T>().sparse_cross_entropy(logits.data(), n, label, scale, nullptr,
                                                &predicted) == loss,
              "without a gradient, n = " << n);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(cross_entropy_predicts_as_argmax_does) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto predicted = [](const Array<T>& logits) {
    Index index = -1;
    kernels<T>().sparse_cross_entropy(logits.data(), logits.size(), 0, T(1), nullptr, &index);
    return index;
  };
  Array<T> equals(40, 1.0);
  CHECK(predicted(equals) == 0, "all equal");
  equals[0] = equals[1] = T(0.5);
  CHECK(predicted(equals) == 2, "the first of equals");
  CHECK(predicted({1.0, 7.0, nan, 9.0, nan}) == 2, "the first NaN");
  Array<T> late(40, 1.0);
  late[39] = T(1.5);
  CHECK(predicted(late) == 39, "the last");
  late[37] = static_cast<T>(nan);
  CHECK(predicted(late) == 37, "a NaN near the end");
  CHECK(predicted(Array<T>(20, -std::numeric_limits<double>::infinity())) == 0, "all -infinity");
}

}  // namespace unitgain::tests
