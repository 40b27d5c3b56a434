#include "simd/kernels/vector.hpp"

#include <algorithm>
#include <limits>

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

UNITGAIN_TYPED_TEST(dot4_is_four_dot_products) {
  for (const Index n : sizes) {
    const auto y = random_array<T>(n, 5);
    const Array<T> x[] = {random_array<T>(n, 1), random_array<T>(n, 2), random_array<T>(n, 3),
                          random_array<T>(n, 4)};
    const T* pointers[] = {x[0].data(), x[1].data(), x[2].data(), x[3].data()};
    T dots[4];
    kernels<T>().dot4(pointers, y.data(), n, dots);
    for (Index j = 0; j < 4; ++j) {
      Reference<T> expected = 0;
      for (Index i = 0; i < n; ++i) expected += Reference<T>(x[j][i]) * y[i];
      CHECK_NEAR(dots[j], expected, static_cast<Reference<T>>(n * (n + 1)) * epsilon<T>,
                 "n = " << n << ", j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(axpy4_adds_four_multiples) {
  for (const Index n : sizes) {
    const Array<T> x[] = {random_array<T>(n, 1), random_array<T>(n, 2), random_array<T>(n, 3),
                          random_array<T>(n, 4)};
    const T* pointers[] = {x[0].data(), x[1].data(), x[2].data(), x[3].data()};
    const T alpha[] = {T(0.5), T(-1.25), T(2), T(0.3)};
    const auto before = random_array<T>(n, 5);
    const Array<T> y = before;
    kernels<T>().axpy4(alpha, pointers, y.data(), n);
    for (Index i = 0; i < n; ++i) {
      Reference<T> expected = before[i];
      for (Index j = 0; j < 4; ++j) expected += Reference<T>(alpha[j]) * x[j][i];
      CHECK_NEAR(y[i], expected, 12 * epsilon<T>, "n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(turn_columns_takes_two_products_off_and_multiplies_what_is_left) {
  for (const Index n : sizes) {
    for (const Index columns : {0, 1, 3, 4, 6}) {
      const Index stride = n + 3, values = columns == 0 ? 0 : (columns - 1) * stride + n;
      const auto before = random_array<T>(values, 1);
      const Array<T> x[] = {random_array<T>(n, 2), random_array<T>(n, 3)};
      const Array<T> weights[] = {random_array<T>(columns, 4), random_array<T>(columns, 5)};
      const auto y = random_array<T>(n, 6);
      const Array<T> a = before, dots = random_array<T>(columns, 7);
      const T* vectors[] = {x[0].data(), x[1].data()};
      const T* pointers[] = {weights[0].data(), weights[1].data()};
      kernels<T>().turn_columns(a.data(), stride, n, columns, vectors, pointers, y.data(),
                                dots.data());
      for (Index j = 0; j < columns; ++j) {
        Reference<T> dot = 0;
        for (Index i = 0; i < stride && j * stride + i < values; ++i) {
          Reference<T> expected = before[j * stride + i];
          for (Index l = 0; i < n && l < 2; ++l) {
            expected -= Reference<T>(x[l][i]) * weights[l][j];
          }
          if (i < n) dot += expected * y[i];
          CHECK_NEAR(a[j * stride + i], expected, i < n ? 8 * epsilon<T> : 0,
                     "n = " << n << ", j = " << j << ", i = " << i);
        }
        CHECK_NEAR(dots[j], dot, static_cast<Reference<T>>(8 * n * (n + 1)) * epsilon<T>,
                   "n = " << n << ", j = " << j);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(combine_columns_is_their_weighted_sum) {
  for (const Index n : sizes) {
    for (const Index columns : {0, 1, 5}) {
      const Index stride = n + 3, values = columns == 0 ? 0 : (columns - 1) * stride + n;
      const auto a = random_array<T>(values, 1), weights = random_array<T>(columns, 2);
      const Array<T> sum = random_array<T>(n, 3);
      kernels<T>().combine_columns(a.data(), stride, n, columns, weights.data(), sum.data());
      for (Index i = 0; i < n; ++i) {
        Reference<T> expected = 0;
        for (Index j = 0; j < columns; ++j) {
          expected += Reference<T>(weights[j]) * a[j * stride + i];
        }
        CHECK_NEAR(sum[i], expected, 30 * epsilon<T>, "n = " << n << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(max_abs_is_the_largest_magnitude_of_finite_values) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(kernels<T>().max_abs(nullptr, 0) == 0, "n = 0");
  for (const Index n : sizes) {
    for (Index at = 0; at < n; ++at) {
      const auto x = random_array<T>(n, 1);
      x[at] = T(-7.5);
      CHECK(kernels<T>().max_abs(x.data(), n) == T(7.5), "n = " << n << ", at = " << at);
      for (const T bad : {infinity, -infinity, nan}) {
        x[at] = bad;
        CHECK(std::isnan(kernels<T>().max_abs(x.data(), n)), "n = " << n << ", at = " << at);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(fused_sums_of_squares_are_those_of_what_is_stored) {
  for (const Index n : sizes) {
    const auto x_before = random_array<T>(n, 1);
    const auto y_before = random_array<T>(n, 2);
    const auto check_square = [n](T square, const Array<T>& values) {
      Reference<T> expected = 0;
      for (const T value : values) expected += Reference<T>(value) * value;
      CHECK_NEAR(square, expected, static_cast<Reference<T>>(n + 1) * epsilon<T> * expected,
                 "n = " << n);
    };
    const Array<T> x = x_before, y = y_before, plain_x = x_before, plain_y = y_before;
    T squares[2];
    kernels<T>().rotate(plain_x.data(), plain_y.data(), n, T(0.6), T(-0.8));
    kernels<T>().rotate_squares(x.data(), y.data(), n, T(0.6), T(-0.8), squares);
    check_square(squares[0], x);
    check_square(squares[1], y);
    const T square = kernels<T>().axpy_squares(T(1.5), x_before.data(), y_before.data(), n);
    check_square(square, y_before);
    const Array<T> sum = random_array<T>(n, 2);
    kernels<T>().axpy(T(1.5), x_before.data(), sum.data(), n);
    for (Index i = 0; i < n; ++i) {
      CHECK(x[i] == plain_x[i] && y[i] == plain_y[i], "n = " << n << ", i = " << i);
      CHECK(y_before[i] == sum[i], "n = " << n << ", i = " << i);
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

UNITGAIN_TYPED_TEST(products_and_extremes_are_those_of_each_pair) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1);
    const auto y = random_array<T>(n, 2);
    for (Index i = 0; i < n; i += 3) x[i] = y[i];
    for (Index i = 1; i < n; i += 5) x[i] = nan;
    for (Index i = 2; i < n; i += 7) y[i] = nan;
    const Array<T> product(n), larger(n), smaller(n), counts(n), gradient(n);
    kernels<T>().multiply(x.data(), y.data(), product.data(), n);
    kernels<T>().maximum(x.data(), y.data(), larger.data(), n);
    kernels<T>().minimum(x.data(), y.data(), smaller.data(), n);
    for (Index i = 0; i < n; ++i) counts[i] = 1;
    kernels<T>().count_equal(x.data(), larger.data(), counts.data(), n);
    kernels<T>().share_equal(x.data(), larger.data(), counts.data(), y.data(), gradient.data(), n);
    const auto same = [](T a, T b) { return a == b || (a != a && b != b); };
    for (Index i = 0; i < n; ++i) {
      const bool either = x[i] != x[i] || y[i] != y[i];
      CHECK(same(product[i], x[i] * y[i]), "n = " << n << ", i = " << i);
      CHECK(same(larger[i], either ? nan : std::max(x[i], y[i])), "n = " << n << ", i = " << i);
      CHECK(same(smaller[i], either ? nan : std::min(x[i], y[i])), "n = " << n << ", i = " << i);
      const bool chosen = x[i] == larger[i] || x[i] != x[i];
      CHECK(counts[i] == (chosen ? 2 : 1), "n = " << n << ", i = " << i);
      CHECK(same(gradient[i], chosen ? y[i] / 2 : T{0}), "n = " << n << ", i = " << i);
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
