#include <algorithm>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/loss.hpp"
#include "simd/kernels/softmax.hpp"

namespace unitgain::tests {

template <class T>
static const simd::SoftmaxKernels<T>& kernels() {
  return *runtime::kernels<T>().softmax;
}

template <class T>
static void cross_entropy(bool from_logits, const T* outputs, Index rows, Index cols,
                          const std::int32_t* labels, T scale, T* gradient, double* losses,
                          std::int32_t* predicted) {
  LossSpec spec{};
  spec.from_logits = from_logits;
  const simd::LossRows<T> part = {outputs, nullptr, labels,   rows,   cols,
                                  scale,   nullptr, gradient, losses, predicted};
  const int kind = static_cast<int>(LossKind::sparse_categorical_crossentropy);
  runtime::family<simd::LossKernels<T>>().row[kind](spec, part);
}

constexpr Index row_count = 3;

// exp(x_i - max) / sum of each row, and the logarithm of the sum of exponentials.
template <class T>
struct ExpectedSoftmax {
  ExpectedSoftmax(const Array<T>& x, Index cols) : probability(x.begin(), x.end()) {
    for (auto row = probability.begin(); row != probability.end(); row += cols) {
      const Reference<T> largest = *std::max_element(row, row + cols);
      Reference<T> sum = 0;
      for (auto value = row; value != row + cols; ++value)
        sum += * value = std::exp(*value - largest);
      for (auto value = row; value != row + cols; ++value) *value /= sum;
      log_sum.push_back(largest + std::log(sum));
    }
  }
  Reference<T> operator[](Index at) const { return probability[static_cast<std::size_t>(at)]; }

  std::vector<Reference<T>> probability;
  std::vector<Reference<T>> log_sum;
};

// Rounding x_i - max to T moves the exponential by that difference's rounding, which `spread`
// bounds.
template <class T>
static Reference<T> softmax_bound(Index cols, Reference<T> spread, Reference<T> probability) {
  return epsilon<T> * (static_cast<Reference<T>>(cols) / 4 + 8 + spread) * probability +
         std::numeric_limits<T>::min();
}

UNITGAIN_TYPED_TEST(softmax_matches_the_reference) {
  for (const Index cols : sizes) {
    if (cols == 0) continue;
    for (const double spread : {1.0, 30.0, 1e4}) {
      const auto x = random_array<T>(row_count * cols, 1, -spread, spread);
      const ExpectedSoftmax<T> expected(x, cols);
      const Array<T> y(x.size());
      kernels<T>().softmax(x.data(), y.data(), row_count, cols);
      const Array<T> in_place = x;
      kernels<T>().softmax(in_place.data(), in_place.data(), row_count, cols);
      for (Index at = 0; at < x.size(); ++at) {
        CHECK_NEAR(y[at], expected[at], softmax_bound<T>(cols, 2 * spread, expected[at]),
                   "cols = " << cols << ", at " << at << ", spread = " << spread);
        CHECK(in_place[at] == y[at], "cols = " << cols << ", at " << at);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(log_softmax_matches_the_reference) {
  for (const Index cols : sizes) {
    if (cols == 0) continue;
    for (const double spread : {1e-3, 1.0, 30.0, 1e4}) {
      const auto x = random_array<T>(row_count * cols, 1, -spread, spread);
      const ExpectedSoftmax<T> expected(x, cols);
      const Array<T> y(x.size());
      kernels<T>().log_softmax(x.data(), y.data(), row_count, cols);
      const Array<T> in_place = x;
      kernels<T>().log_softmax(in_place.data(), in_place.data(), row_count, cols);
      for (Index at = 0; at < x.size(); ++at) {
        const Reference<T> log_sum = expected.log_sum[static_cast<std::size_t>(at / cols)];
        const Reference<T> bound =
            4 * epsilon<T> * (std::abs(x[at] - log_sum) + 2 * spread + std::log(1.0 * cols));
        CHECK_NEAR(y[at], x[at] - log_sum, bound, "cols = " << cols << ", at " << at);
        CHECK(in_place[at] == y[at], "cols = " << cols << ", at " << at);
      }
    }
  }
}

// Along an axis, whatever lies between its steps, each column is a row of its own.
UNITGAIN_TYPED_TEST(softmax_along_an_axis_is_that_of_the_transpose) {
  const Index length = 7;
  for (const Index width : sizes) {
    const auto x = Matrix<T>::random(length, width, 3, 5, -9.0, 9.0);
    const auto upstream = Matrix<T>::random(length, width, 3, 6);
    const auto y = Matrix<T>::filled(length, width, 3), log_y = y, gradient = y, log_gradient = y;
    const auto& k = kernels<T>();
    k.softmax_axis(x.data(), y.data(), length, x.stride, width);
    k.log_softmax_axis(x.data(), log_y.data(), length, x.stride, width);
    k.gradient_axis(y.data(), upstream.data(), gradient.data(), length, x.stride, width);
    k.log_gradient_axis(log_y.data(), upstream.data(), log_gradient.data(), length, x.stride,
                        width);
    CHECK(y.gaps_equal(Matrix<T>::filled(length, width, 3)), "width = " << width);
    CHECK(gradient.gaps_equal(Matrix<T>::filled(length, width, 3)), "width = " << width);
    for (Index j = 0; j < width; ++j) {
      const Array<T> row(length), up(length), out(length), slope(length);
      for (Index i = 0; i < length; ++i) {
        row[i] = x(i, j);
        up[i] = upstream(i, j);
      }
      const auto compare = [&](const Matrix<T>& matrix, const Array<T>& expected) {
        for (Index i = 0; i < length; ++i) {
          CHECK_NEAR(matrix(i, j), static_cast<Reference<T>>(expected[i]), 20 * epsilon<T> * 20,
                     "width = " << width << ", at " << i << ", " << j);
        }
      };
      k.softmax(row.data(), out.data(), 1, length);
      k.gradient(out.data(), up.data(), slope.data(), 1, length);
      compare(y, out);
      compare(gradient, slope);
      k.log_softmax(row.data(), out.data(), 1, length);
      k.log_gradient(out.data(), up.data(), slope.data(), 1, length);
      compare(log_y, out);
      compare(log_gradient, slope);
    }
  }
}

UNITGAIN_TYPED_TEST(many_short_rows_equal_each_alone) {
  for (const Index cols : {1, 2, 3, 8, 10, 16}) {
    for (const Index rows : {1, 5, 16, 37, 130}) {
      const auto x = random_array<T>(rows * cols, 3, -9.0, 9.0);
      const Array<T> y(x.size()), one(cols), gradient(x.size());
      const Array<std::int32_t> labels(rows, 0), predicted(rows);
      const Array<double> losses(rows), loss(1);
      kernels<T>().softmax(x.data(), y.data(), rows, cols);
      cross_entropy<T>(true, x.data(), rows, cols, labels.data(), T(1), gradient.data(),
                       losses.data(), predicted.data());
      for (Index i = 0; i < rows; ++i) {
        kernels<T>().softmax(x.data() + i * cols, one.data(), 1, cols);
        CHECK(std::equal(one.begin(), one.end(), y.data() + i * cols), "cols = " << cols);
        cross_entropy<T>(true, x.data() + i * cols, 1, cols, labels.data(), T(1), one.data(),
                         loss.data(), nullptr);
        CHECK(std::equal(one.begin(), one.end(), gradient.data() + i * cols), "cols = " << cols);
        CHECK(loss[0] == losses[i], "cols = " << cols << ", row " << i);
        const T* row = x.data() + i * cols;
        CHECK(predicted[i] == std::max_element(row, row + cols) - row, "row " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(softmax_of_minus_infinity_is_zero) {
  const double inf = std::numeric_limits<double>::infinity();
  const Array<T> x = {0.0, -inf, 0.0, 0.0, -inf, 0.0};
  const Array<T> y(6);
  kernels<T>().softmax(x.data(), y.data(), 1, 6);
  for (Index i = 0; i < 6; ++i) {
    CHECK_NEAR(y[i], std::isinf(x[i]) ? Reference<T>(0) : Reference<T>(0.25), epsilon<T>,
               "i = " << i);
  }
}

UNITGAIN_TYPED_TEST(softmax_of_nan_is_nan_throughout_its_row) {
  for (const Index cols : {1, 3, 17, 64}) {
    for (const Index place : {Index{0}, cols / 2, cols - 1}) {
      const auto x = random_array<T>(row_count * cols, 1);
      x[cols + place] = std::numeric_limits<T>::quiet_NaN();
      const Array<T> y(x.size());
      kernels<T>().softmax(x.data(), y.data(), row_count, cols);
      for (Index at = 0; at < y.size(); ++at) {
        CHECK(std::isnan(y[at]) == (at / cols == 1), "cols = " << cols << ", at " << at);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(softmax_gradient_matches_the_reference) {
  for (const Index cols : sizes) {
    if (cols == 0) continue;
    const auto y = random_array<T>(row_count * cols, 1, 0.0, 1.0);
    const auto upstream = random_array<T>(y.size(), 2);
    const Array<T> gradient(y.size());
    kernels<T>().gradient(y.data(), upstream.data(), gradient.data(), row_count, cols);
    const Array<T> in_place = upstream;
    kernels<T>().gradient(y.data(), in_place.data(), in_place.data(), row_count, cols);
    for (Index at = 0; at < y.size(); ++at) {
      Reference<T> inner = 0;
      Reference<T> magnitude = 0;
      for (Index i = at / cols * cols; i < at / cols * cols + cols; ++i) {
        inner += Reference<T>(upstream[i]) * y[i];
        magnitude += std::abs(Reference<T>(upstream[i]) * y[i]);
      }
      const Reference<T> bound =
          epsilon<T> * y[at] * (4 + static_cast<Reference<T>>(cols) * magnitude);
      CHECK_NEAR(gradient[at], y[at] * (upstream[at] - inner), bound,
                 "cols = " << cols << ", at " << at);
      CHECK(in_place[at] == gradient[at], "cols = " << cols << ", at " << at);
    }
  }
}

UNITGAIN_TYPED_TEST(cross_entropy_matches_the_reference) {
  for (const Index cols : sizes) {
    if (cols == 0) continue;
    for (const double spread : {2.0, 100.0}) {
      const auto logits = random_array<T>(row_count * cols, 5, -spread, spread);
      const ExpectedSoftmax<T> expected(logits, cols);
      const Array<std::int32_t> labels(row_count, 0), predicted(row_count);
      labels[1] = static_cast<std::int32_t>(cols / 2);
      labels[2] = static_cast<std::int32_t>(cols - 1);
      const T scale = T(0.125);
      const Array<T> gradient(logits.size());
      const Array<double> losses(row_count), again(row_count);
      cross_entropy<T>(true, logits.data(), row_count, cols, labels.data(), scale, gradient.data(),
                       losses.data(), predicted.data());
      for (Index i = 0; i < row_count; ++i) {
        const T* row = logits.data() + i * cols;
        const Reference<T> loss = expected.log_sum[static_cast<std::size_t>(i)] - row[labels[i]];
        const Reference<T> bound =
            epsilon<T> * (static_cast<Reference<T>>(cols) / 4 + 8 + 2 * spread);
        CHECK_NEAR(losses[i], loss, bound, "cols = " << cols << ", row " << i);
        CHECK(predicted[i] == std::max_element(row, row + cols) - row,
              "cols = " << cols << ", row " << i << ", predicted " << predicted[i]);
      }
      for (Index at = 0; at < logits.size(); ++at) {
        const int is_label = at % cols == labels[at / cols] ? 1 : 0;
        CHECK_NEAR(gradient[at], scale * (expected[at] - is_label),
                   scale * (softmax_bound<T>(cols, 2 * spread, expected[at]) + epsilon<T>),
                   "cols = " << cols << ", at " << at);
      }

      const Array<T> in_place = logits;
      cross_entropy<T>(true, in_place.data(), row_count, cols, labels.data(), scale,
                       in_place.data(), again.data(), predicted.data());
      for (Index at = 0; at < logits.size(); ++at) {
        CHECK(in_place[at] == gradient[at], "in place, cols = " << cols << ", at " << at);
      }
      for (Index i = 0; i < row_count; ++i) CHECK(again[i] == losses[i], "in place, row " << i);
      cross_entropy<T>(true, logits.data(), row_count, cols, labels.data(), scale, nullptr,
                       again.data(), predicted.data());
      for (Index i = 0; i < row_count; ++i) CHECK(again[i] == losses[i], "no gradient, row " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(cross_entropy_predicts_as_argmax_does) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto predicted = [](const Array<T>& logits) {
    const Array<std::int32_t> label(1, 0), index(1, -1);
    const Array<double> loss(1);
    cross_entropy<T>(true, logits.data(), 1, logits.size(), label.data(), T(1), nullptr,
                     loss.data(), index.data());
    return index[0];
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

UNITGAIN_TYPED_TEST(cross_entropy_from_probabilities_matches_the_reference) {
  for (const Index cols : sizes) {
    if (cols == 0) continue;
    const auto weights = random_array<T>(row_count * cols, 6, 0.1, 1.0);
    const Array<std::int32_t> labels(row_count, 0), predicted(row_count);
    labels[2] = static_cast<std::int32_t>(cols - 1);
    // Shares below and above the clipping bounds: a loss of -log(1e-7), and none to speak of.
    weights[labels[0]] = T(0);
    if (cols > 1) std::fill(weights.data() + cols + 1, weights.data() + 2 * cols, T(1e-12));
    const T scale = T(0.5);
    const Array<T> gradient(weights.size());
    const Array<double> losses(row_count);
    cross_entropy<T>(false, weights.data(), row_count, cols, labels.data(), scale, gradient.data(),
                     losses.data(), predicted.data());
    for (Index i = 0; i < row_count; ++i) {
      const T* row = weights.data() + i * cols;
      Reference<T> sum = 0;
      for (Index j = 0; j < cols; ++j) sum += row[j];
      if (sum == 0) continue;  // a single weight of 0 has no share
      const Reference<T> share = row[labels[i]] / sum;
      const bool is_clipped = share < 1e-7L || share > 1 - 1e-7L;
      const Reference<T> used =
          std::clamp<Reference<T>>(share, Reference<T>(1e-7L), Reference<T>(1 - 1e-7L));
      const auto n = static_cast<Reference<T>>(cols);
      CHECK_NEAR(losses[i], -std::log(used), epsilon<T> * (n + 8),
                 "cols = " << cols << ", row " << i);
      CHECK(predicted[i] == std::max_element(row, row + cols) - row,
            "cols = " << cols << ", row " << i << ", predicted " << predicted[i]);
      for (Index j = 0; j < cols; ++j) {
        const Reference<T> own = j == labels[i] ? 1 / Reference<T>(row[j]) : 0;
        const Reference<T> expected = is_clipped ? 0 : scale * (1 / sum - own);
        CHECK_NEAR(gradient[i * cols + j], expected,
                   epsilon<T> * scale * (n + 8) * (1 / sum + (is_clipped ? 0 : own)),
                   "cols = " << cols << ", row " << i << ", j = " << j);
      }
    }
  }
}

}  // namespace unitgain::tests
