#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"

namespace unitgain::tests {

template <class T>
static const simd::ColumnKernels<T>& kernels() {
  return *runtime::kernels<T>().column;
}

// A sum's error relative to the sum of its terms' magnitudes. It does not grow with the rows: they
// are summed in short runs, and the runs' sums with compensation.
template <class T>
inline constexpr Reference<T> sum_error = 16 * epsilon<T>;

// Calls body(rows, cols, gap between rows) over shapes around the vector lengths.
template <class Body>
static void for_each_shape(Body&& body) {
  for (const Index rows : {1, 2, 3, 8, 31, 400}) {
    for (const Index cols : sizes) {
      for (const Index gap : {0, 3}) body(rows, cols, gap);
    }
  }
}

#define SHAPE "rows = " << rows << ", cols = " << cols << ", j = " << j

UNITGAIN_TYPED_TEST(column_sums_match_the_reference) {
  for_each_shape([](Index rows, Index cols, Index gap) {
    const auto x = Matrix<T>::random(rows, cols, gap, 1);
    const Array<T> sums(cols);
    kernels<T>().sum(x.data(), x.stride, rows, cols, sums.data());
    for (Index j = 0; j < cols; ++j) {
      Reference<T> expected = 0;
      Reference<T> magnitude = 0;
      for (Index i = 0; i < rows; ++i) {
        expected += x(i, j);
        magnitude += std::abs(x(i, j));
      }
      CHECK_NEAR(sums[j], expected, sum_error<T> * magnitude, SHAPE);
    }
  });
}

UNITGAIN_TYPED_TEST(column_sums_of_no_rows_are_zero) {
  const Array<T> sums(21);
  kernels<T>().sum(sums.data(), 21, 0, 21, sums.data());
  for (Index j = 0; j < 21; ++j) CHECK(sums[j] == 0, "j = " << j);
}

// So that threads may share the columns in any way: a column's bits depend on that column alone.
UNITGAIN_TYPED_TEST(column_results_do_not_depend_on_the_neighbours) {
  const Index rows = 77;
  const Index cols = 70;
  const auto x = Matrix<T>::random(rows, cols, 2, 1);
  const auto upstream = Matrix<T>::random(rows, cols, 2, 2);
  const Array<T> sums(cols), mean(cols), residual(cols), variance(cols);
  const Array<T> first(cols), second(cols);
  const auto& k = kernels<T>();
  k.sum(x.data(), x.stride, rows, cols, sums.data());
  k.moments(x.data(), x.stride, rows, cols, mean.data(), residual.data(), variance.data());
  k.normalize_gradient_sums(x.data(), x.stride, upstream.data(), upstream.stride, rows, cols,
                            mean.data(), residual.data(), variance.data(), first.data(),
                            second.data());
  for (const Index begin : {1, 13, 32, 69}) {
    const Index part = std::min<Index>(cols - begin, 29);
    const Array<T> part_sums(part), part_mean(part), part_residual(part), part_variance(part);
    const Array<T> part_first(part), part_second(part);
    k.sum(x.data() + begin, x.stride, rows, part, part_sums.data());
    k.moments(x.data() + begin, x.stride, rows, part, part_mean.data(), part_residual.data(),
              part_variance.data());
    k.normalize_gradient_sums(x.data() + begin, x.stride, upstream.data() + begin, upstream.stride,
                              rows, part, mean.data() + begin, residual.data() + begin,
                              variance.data() + begin, part_first.data(), part_second.data());
    for (Index j = 0; j < part; ++j) {
      CHECK(part_sums[j] == sums[begin + j], "begin = " << begin << ", j = " << j);
      CHECK(part_mean[j] == mean[begin + j], "begin = " << begin << ", j = " << j);
      CHECK(part_variance[j] == variance[begin + j], "begin = " << begin << ", j = " << j);
      CHECK(part_first[j] == first[begin + j], "begin = " << begin << ", j = " << j);
      CHECK(part_second[j] == second[begin + j], "begin = " << begin << ", j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(moments_match_the_reference) {
  // A mean far from zero is where a difference of squares would lose every digit.
  for (const double center : {0.0, 1000.0}) {
    for_each_shape([center](Index rows, Index cols, Index gap) {
      const auto x = Matrix<T>::random(rows, cols, gap, 1, center - 1.0, center + 1.0);
      const Array<T> mean(cols), residual(cols), variance(cols);
      kernels<T>().moments(x.data(), x.stride, rows, cols, mean.data(), residual.data(),
                           variance.data());
      const auto count = static_cast<Reference<T>>(rows);
      for (Index j = 0; j < cols; ++j) {
        Reference<T> expected_mean = 0;
        for (Index i = 0; i < rows; ++i) expected_mean += x(i, j) / count;
        Reference<T> expected_variance = 0;
        for (Index i = 0; i < rows; ++i) {
          expected_variance += (x(i, j) - expected_mean) * (x(i, j) - expected_mean) / count;
        }
        CHECK_NEAR(mean[j], expected_mean, epsilon<T> * (center + 1), SHAPE << ", " << center);
        // The reference itself is rounded, which shows when the mean is large.
        const Reference<T> rounding =
            count * std::numeric_limits<Reference<T>>::epsilon() * (center + 1);
        CHECK_NEAR(Reference<T>(mean[j]) + residual[j], expected_mean, sum_error<T> + rounding,
                   SHAPE << ", " << center);
        CHECK_NEAR(variance[j], expected_variance, sum_error<T> + rounding,
                   SHAPE << ", " << center);
        CHECK(variance[j] >= 0, SHAPE);
      }
    });
  }
}

UNITGAIN_TYPED_TEST(prepare_normalize_follows_its_formula) {
  const T small = T(1e-3);
  for (const Index cols : sizes) {
    const auto residual = random_array<T>(cols, 1, -1e-6, 1e-6);
    const auto variance = random_array<T>(cols, 2, 0.0, 2.0);
    const auto gamma = random_array<T>(cols, 3);
    const auto beta = random_array<T>(cols, 4);
    for (const bool given : {false, true}) {
      const Array<T> inverse(cols), scale(cols), shift(cols);
      kernels<T>().prepare_normalize(cols, given ? residual.data() : nullptr, variance.data(),
                                     given ? gamma.data() : nullptr, given ? beta.data() : nullptr,
                                     small, inverse.data(), scale.data(), shift.data());
      for (Index j = 0; j < cols; ++j) {
        const Reference<T> expected = 1 / std::sqrt(Reference<T>(variance[j]) + small);
        const Reference<T> factor = given ? gamma[j] * expected : expected;
        const Reference<T> offset = given ? beta[j] - residual[j] * factor : 0;
        CHECK_NEAR(inverse[j], expected, 4 * epsilon<T> * expected, "j = " << j << ", " << given);
        CHECK_NEAR(scale[j], factor, 5 * epsilon<T> * expected, "j = " << j << ", " << given);
        CHECK_NEAR(shift[j], offset, 2 * epsilon<T>, "j = " << j << ", " << given);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(move_average_follows_its_formula) {
  for (const Index cols : sizes) {
    const auto before = random_array<T>(cols, 1);
    const auto value = random_array<T>(cols, 2);
    const Array<T> average = before;
    kernels<T>().move_average(average.data(), value.data(), cols, T(0.99), T(0.01));
    for (Index j = 0; j < cols; ++j) {
      const Reference<T> expected =
          before[j] * Reference<T>(T(0.99)) + value[j] * Reference<T>(T(0.01));
      CHECK_NEAR(average[j], expected, 2 * epsilon<T>, "cols = " << cols << ", j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(normalize_matches_the_reference) {
  for_each_shape([](Index rows, Index cols, Index gap) {
    const auto x = Matrix<T>::random(rows, cols, gap, 1);
    const auto mean = random_array<T>(cols, 2);
    const auto scale = random_array<T>(cols, 3);
    const auto shift = random_array<T>(cols, 4);
    const auto y = Matrix<T>::filled(rows, cols, gap + 1);
    const Matrix<T> before = y;
    kernels<T>().normalize(x.data(), x.stride, y.data(), y.stride, rows, cols, mean.data(),
                           scale.data(), shift.data());
    const Matrix<T> in_place = x;
    kernels<T>().normalize(in_place.data(), x.stride, in_place.data(), x.stride, rows, cols,
                           mean.data(), scale.data(), shift.data());
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const Reference<T> expected =
            (Reference<T>(x(i, j)) - mean[j]) * Reference<T>(scale[j]) + shift[j];
        CHECK_NEAR(y(i, j), expected, 8 * epsilon<T>, SHAPE << ", i = " << i);
        CHECK(in_place(i, j) == y(i, j), SHAPE << ", i = " << i);
      }
    }
    CHECK(y.gaps_equal(before), "rows = " << rows << ", cols = " << cols);
    CHECK(in_place.gaps_equal(x), "rows = " << rows << ", cols = " << cols);
  });
}

UNITGAIN_TYPED_TEST(normalize_gradient_sums_match_the_reference) {
  for_each_shape([](Index rows, Index cols, Index gap) {
    const auto x = Matrix<T>::random(rows, cols, gap, 1);
    const auto upstream = Matrix<T>::random(rows, cols, gap + 2, 2);
    const auto mean = random_array<T>(cols, 3);
    const auto inverse_deviation = random_array<T>(cols, 4, 0.5, 2.0);
    const auto residual = random_array<T>(cols, 5, -0.1, 0.1);
    const Array<T> sum_upstream(cols);
    const Array<T> sum_product(cols);
    kernels<T>().normalize_gradient_sums(
        x.data(), x.stride, upstream.data(), upstream.stride, rows, cols, mean.data(),
        residual.data(), inverse_deviation.data(), sum_upstream.data(), sum_product.data());
    for (Index j = 0; j < cols; ++j) {
      Reference<T> upstream_sum = 0, upstream_magnitude = 0;
      Reference<T> product_sum = 0, product_magnitude = 0;
      for (Index i = 0; i < rows; ++i) {
        const Reference<T> product =
            upstream(i, j) * (Reference<T>(x(i, j)) - mean[j] - residual[j]) * inverse_deviation[j];
        upstream_sum += upstream(i, j);
        upstream_magnitude += std::abs(upstream(i, j));
        product_sum += product;
        product_magnitude += std::abs(product);
      }
      CHECK_NEAR(sum_upstream[j], upstream_sum, sum_error<T> * upstream_magnitude, SHAPE);
      CHECK_NEAR(sum_product[j], product_sum, sum_error<T> * product_magnitude, SHAPE);
    }
  });
}

UNITGAIN_TYPED_TEST(prepare_normalize_gradient_follows_its_formula) {
  const Index rows = 7;
  for (const Index cols : sizes) {
    const auto gamma = random_array<T>(cols, 1);
    const auto inverse = random_array<T>(cols, 2);
    const auto sum_upstream = random_array<T>(cols, 3);
    const auto sum_product = random_array<T>(cols, 4);
    for (const bool given : {false, true}) {
      const Array<T> factor(cols), mean_upstream(cols), mean_product(cols);
      kernels<T>().prepare_normalize_gradient(
          cols, rows, given ? gamma.data() : nullptr, inverse.data(), sum_upstream.data(),
          sum_product.data(), factor.data(), mean_upstream.data(), mean_product.data());
      for (Index j = 0; j < cols; ++j) {
        const Reference<T> expected = given ? Reference<T>(gamma[j]) * inverse[j] : inverse[j];
        CHECK_NEAR(factor[j], expected, epsilon<T>, "j = " << j << ", " << given);
        CHECK_NEAR(mean_upstream[j], Reference<T>(sum_upstream[j]) / rows, epsilon<T>, "j = " << j);
        CHECK_NEAR(mean_product[j], Reference<T>(sum_product[j]) / rows, epsilon<T>, "j = " << j);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(normalize_gradient_matches_the_reference) {
  for_each_shape([](Index rows, Index cols, Index gap) {
    const auto x = Matrix<T>::random(rows, cols, gap, 1);
    const auto upstream = Matrix<T>::random(rows, cols, gap + 2, 2);
    const auto mean = random_array<T>(cols, 3);
    const auto inverse_deviation = random_array<T>(cols, 4, 0.5, 2.0);
    const auto factor = random_array<T>(cols, 5);
    const auto mean_upstream = random_array<T>(cols, 6);
    const auto mean_product = random_array<T>(cols, 7);
    const auto residual = random_array<T>(cols, 8, -0.1, 0.1);
    const auto run = [&](const Matrix<T>& x_in, const Matrix<T>& upstream_in,
                         const Matrix<T>& gradient) {
      kernels<T>().normalize_gradient(x_in.data(), x_in.stride, upstream_in.data(),
                                      upstream_in.stride, gradient.data(), gradient.stride, rows,
                                      cols, mean.data(), residual.data(), inverse_deviation.data(),
                                      factor.data(), mean_upstream.data(), mean_product.data());
    };
    const auto gradient = Matrix<T>::filled(rows, cols, gap + 1);
    const Matrix<T> before = gradient;
    run(x, upstream, gradient);
    const Matrix<T> over_x = x;
    run(over_x, upstream, over_x);
    const Matrix<T> over_upstream = upstream;
    run(x, over_upstream, over_upstream);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const Reference<T> normalized =
            (Reference<T>(x(i, j)) - mean[j] - residual[j]) * inverse_deviation[j];
        const Reference<T> expected = factor[j] * (Reference<T>(upstream(i, j)) - mean_upstream[j] -
                                                   normalized * mean_product[j]);
        CHECK_NEAR(gradient(i, j), expected, 24 * epsilon<T>, SHAPE << ", i = " << i);
        CHECK(over_x(i, j) == gradient(i, j), SHAPE << ", i = " << i);
        CHECK(over_upstream(i, j) == gradient(i, j), SHAPE << ", i = " << i);
      }
    }
    CHECK(gradient.gaps_equal(before), "rows = " << rows << ", cols = " << cols);
  });
}

}  // namespace unitgain::tests
