#include <cmath>
#include <limits>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/weight.hpp"

namespace unitgain::tests {

template <class T>
static const simd::WeightKernels<T>& kernels() {
  return *runtime::kernels<T>().weight;
}

// Weights of either sign, and zeros.
template <class T>
static Array<T> weights(Index n, unsigned seed) {
  Array<T> w = random_array<T>(n, seed);
  for (Index i = 2; i < n; i += 5) w[i] = 0;
  return w;
}

UNITGAIN_TYPED_TEST(magnitudes_match_the_reference) {
  for (const Index n : sizes) {
    const auto w = weights<T>(n, 1);
    double sums[2] = {canary, canary};
    kernels<T>().magnitudes(w.data(), n, sums);
    Reference<T> absolute = 0, squares = 0;
    for (const T value : w) {
      absolute += std::abs(static_cast<Reference<T>>(value));
      squares += static_cast<Reference<T>>(value) * value;
    }
    CHECK_NEAR(sums[0], absolute, 1e-13 * absolute, "n = " << n);
    CHECK_NEAR(sums[1], squares, 1e-13 * squares, "n = " << n);
  }
}

UNITGAIN_TYPED_TEST(penalties_match_the_reference) {
  for (const Index n : sizes) {
    const auto w = weights<T>(n, 1);
    const auto g = random_array<T>(n, 2), sum = random_array<T>(n, 3);
    for (const bool with_sum : {false, true}) {
      for (const double l1 : {0.0, 0.25}) {
        for (const double l2 : {0.0, 0.5}) {
          const Array<T> made(with_sum ? sum : g);  // in place over either
          kernels<T>().penalize({w.data(), with_sum ? g.data() : made.data(),
                                 with_sum ? made.data() : nullptr, made.data()},
                                n, {static_cast<T>(l1), static_cast<T>(l2), T(0.125)});
          for (Index i = 0; i < n; ++i) {
            const double sign = w[i] > 0 ? 1 : w[i] < 0 ? -1 : 0;
            const Reference<T> expected =
                0.125 * (g[i] + l1 * sign + 2 * l2 * w[i] + (with_sum ? sum[i] : T(0)));
            CHECK_NEAR(made[i], expected, epsilon<T>, "n = " << n << ", i = " << i);
          }
        }
      }
    }
  }
}

UNITGAIN_TYPED_TEST(negative_weights_become_zero_and_not_a_number_stays) {
  for (const Index n : sizes) {
    const auto before = weights<T>(n, 1);
    const Array<T> w(before);
    if (n > 3) w[3] = std::numeric_limits<T>::quiet_NaN();
    kernels<T>().non_negative(w.data(), n);
    for (Index i = 0; i < n; ++i) {
      if (i == 3) {
        CHECK(std::isnan(w[i]), "n = " << n);
      } else {
        CHECK(w[i] == (before[i] < 0 ? T(0) : before[i]), "n = " << n << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(column_squares_and_scales_match_the_reference) {
  for (const Index rows : {1, 2, 31, 400}) {
    for (const Index cols : sizes) {
      for (const Index gap : {0, 3}) {
        const auto w = Matrix<T>::random(rows, cols, gap, 1);
        const Matrix<T> before(w);
        const Array<T> squares(cols);
        kernels<T>().column_squares(w.data(), w.stride, rows, cols, squares.data());
        for (Index j = 0; j < cols; ++j) {
          Reference<T> expected = 0;
          for (Index i = 0; i < rows; ++i) expected += static_cast<Reference<T>>(w(i, j)) * w(i, j);
          CHECK_NEAR(squares[j], expected, 16 * epsilon<T> * expected,
                     "rows = " << rows << ", cols = " << cols << ", j = " << j);
        }
        kernels<T>().scale_columns(w.data(), w.stride, rows, cols, squares.data());
        CHECK(w.gaps_equal(before), "cols = " << cols);
        for (Index i = 0; i < rows; ++i) {
          for (Index j = 0; j < cols; ++j) {
            CHECK(w(i, j) == before(i, j) * squares[j], "i = " << i << ", j = " << j);
          }
        }
      }
    }
  }
}

// So that threads may share the columns in any way.
UNITGAIN_TYPED_TEST(column_squares_do_not_depend_on_the_neighbours) {
  const Index rows = 77, cols = 70;
  const auto w = Matrix<T>::random(rows, cols, 2, 1);
  const Array<T> squares(cols);
  kernels<T>().column_squares(w.data(), w.stride, rows, cols, squares.data());
  for (const Index begin : {1, 13, 32, 69}) {
    const Index part = std::min<Index>(cols - begin, 29);
    const Array<T> part_squares(part);
    kernels<T>().column_squares(w.data() + begin, w.stride, rows, part, part_squares.data());
    for (Index j = 0; j < part; ++j) CHECK(part_squares[j] == squares[begin + j], "j = " << j);
  }
}

}  // namespace unitgain::tests
