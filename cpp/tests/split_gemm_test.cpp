// Products of float at every precision, whichever way they take, against float64 and the errors
// that are promised.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "formulas.hpp"
#include "ops/gemm.hpp"
#include "products.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels/split_gemm.hpp"
#include "unitgain/matmul.hpp"
#include "unitgain/rows/activation.hpp"

namespace unitgain::tests {

static void multiply(const MatrixView<const float>& a, const MatrixView<const float>& b,
                     const Matrix<float>& c, Precision precision, float alpha = 1, float beta = 0) {
  MatmulOptions<float> options;
  options.alpha = alpha;
  options.beta = beta;
  options.precision = precision;
  matmul<float>(a, b, whole(c), options);
}

UNITGAIN_TEST(products_keep_the_promise_of_every_precision) {
  const Index shapes[][3] = {
      {64, 64, 32}, {65, 79, 33}, {100, 130, 71}, {97, 64, 353}, {70, 81, 1100}};
  for (const Precision precision : precisions) {
    for (const auto& [m, n, k] : shapes) {
      for_each_layout(m, k, 1, [&](const MatrixView<const float>& a) {
        for_each_layout(k, n, 2, [&](const MatrixView<const float>& b) {
          const auto c = Matrix<float>::filled(m, n, 3);
          const Matrix<float> before = c;
          multiply(a, b, c, precision);
          check_product(a, b, c, precision, describe(precision, m, n, k));
          CHECK(c.gaps_equal(before), describe(precision, m, n, k));
        });
      });
    }
  }
}

UNITGAIN_TEST(products_scale_and_add_at_every_precision) {
  const Index m = 69, n = 75, k = 400;
  const auto a = Matrix<float>::random(m, k, 0, 1), b = Matrix<float>::random(k, n, 1, 2);
  const auto before = Matrix<float>::random(m, n, 2, 3);
  for (const Precision precision : precisions) {
    for (const auto& [alpha, beta] : {std::pair{1.0, 1.0}, {-0.5, 2.5}, {0.0, 1.0}, {2.0, 0.0}}) {
      const Matrix<float> c = before;
      multiply(view(a), view(b), c, precision, static_cast<float>(alpha), static_cast<float>(beta));
      check_product(view(a), view(b), c, precision, describe(precision, m, n, k), alpha, beta,
                    &before);
    }
  }
}

UNITGAIN_TEST(products_with_packed_matrices_keep_the_promise_of_every_precision) {
  for (const Precision precision : precisions) {
    for (const auto& [n, k] : {std::pair<Index, Index>{75, 71}, {33, 700}, {1, 3}}) {
      const auto b = Matrix<float>::random(k, n, 1, 2);
      const PackedMatrix<float> packed(view(b), precision);
      const auto unpacked = Matrix<float>::filled(k, n, 0);
      packed.unpack(whole(unpacked));
      for (const Index m : {1, 5, 16, 17, 70}) {
        const auto a = Matrix<float>::random(m, k, 2, 1), c = Matrix<float>::filled(m, n, 1);
        matmul<float>(view(a), packed, whole(c));
        check_product(view(a), view(b), c, precision, describe(precision, m, n, k) + ", packed");
      }
      for (Index at = 0; precision != Precision::medium && at < unpacked.array.size(); ++at) {
        CHECK(unpacked.array[at] == b(at / n, at % n), describe(precision, 0, n, k));
      }
    }
  }
}

// The gradient of a step: sums in float, C = (A B) f'(saved), its columns' sums, and so on.
struct Epilogues {
  static constexpr Index m = 70, n = 77, k = 90;

  explicit Epilogues(Precision chosen) : precision(chosen) {}

  ops::Gemm<float> problem() const {
    ops::Gemm<float> gemm;
    gemm.a = view(a);
    gemm.b = view(b);
    gemm.precision = precision;
    return gemm;
  }
  bool keeps(Index i, Index j) const {
    const Index position = i * (n + 1) + j;
    return (bits[static_cast<std::size_t>(position / 64)] >> (position % 64) & 1) != 0;
  }
  static void run(ops::Gemm<float>& gemm, const Matrix<float>& c, int threads) {
    gemm.c = whole(c);
    const Index sums = gemm.column_sums != nullptr ? ops::gemm_partial_sums<float>(m, n) : 0;
    const Array<float> partial(sums);
    gemm.partial_sums = partial.data();
    const Index size = rounded_up(ops::gemm_workspace<float>(m, n, k, threads, gemm.precision), 64);
    const Array<std::byte> workspace(size);
    runtime::parallel(threads,
                      [&](const runtime::Team& team) { ops::gemm(team, gemm, workspace.data()); });
  }

  Precision precision;
  Matrix<float> a = Matrix<float>::random(m, k, 1, 1), b = Matrix<float>::random(k, n, 2, 2);
  Matrix<float> saved = Matrix<float>::random(m, n, 3, 3);
  Array<float> scale = random_array<float>(n, 4), bias = random_array<float>(n, 5);
  std::vector<std::uint64_t> bits =
      std::vector<std::uint64_t>(m * (n + 1) / 64 + 2, 0x9E3779B97F4A7C15);
};

UNITGAIN_TEST(products_end_with_every_epilogue_at_every_precision) {
  for (const Precision precision : precisions) {
    const Epilogues with(precision);
    // Where column sums are wanted, the last columns are not split off, and sums have another
    // order.
    const auto plain = Matrix<float>::filled(with.m, with.n, 0), summed = plain;
    const Array<float> bare_sums(with.n);
    auto bare = with.problem();
    Epilogues::run(bare, plain, 1);
    bare.column_sums = bare_sums.data();
    Epilogues::run(bare, summed, 1);
    for (int steps = 0; steps < 64; ++steps) {
      const auto has = [steps](int step) { return (steps >> step & 1) != 0; };
      auto gemm = with.problem();
      const auto c = Matrix<float>::filled(with.m, with.n, 3);
      const auto output = Matrix<float>::filled(with.m, with.n, 1);
      const Array<float> sums(with.n);
      const ActivationSpec leaky{Activation::leaky_relu, {0.25, 0.0}}, relu{Activation::relu, {}};
      if (has(0)) gemm.epilogue.scale = with.scale.data();
      if (has(1)) gemm.epilogue.bias = with.bias.data();
      if (has(2)) gemm.epilogue.activation = leaky;
      if (has(3)) {
        gemm.epilogue.output = output.data();
        gemm.epilogue.output_stride = output.stride;
        gemm.epilogue.dropout = {with.bits.data(), 0, with.n + 1, 2.0f};
      }
      if (has(4)) {
        gemm.epilogue.saved = with.saved.data();
        gemm.epilogue.saved_stride = with.saved.stride;
        gemm.epilogue.derivative = relu;
      }
      if (has(5)) gemm.column_sums = sums.data();
      Epilogues::run(gemm, c, 2);
      for (Index j = 0; j < with.n; ++j) {
        double sum = 0;
        for (Index i = 0; i < with.m; ++i) {
          double z = (has(5) ? summed : plain)(i, j);
          if (has(0)) z *= with.scale[j];
          if (has(1)) z += with.bias[j];
          const double bound = 4 * unit * (std::abs(z) + 1);
          double y = has(2) ? activation(leaky, z) : z;
          if (has(3)) {
            y = with.keeps(i, j) ? 2 * y : 0;
            CHECK_NEAR(output(i, j), y, 2 * bound, "output, steps = " << steps);
            y = z;
          }
          if (has(4) && with.saved(i, j) <= 0) y = 0;
          CHECK_NEAR(c(i, j), y, bound, "steps = " << steps << ", i = " << i << ", j = " << j);
          sum += c(i, j);
        }
        if (has(5)) CHECK_NEAR(sums[j], sum, 1e-4, "sum, steps = " << steps << ", j = " << j);
      }
    }
  }
}

UNITGAIN_TEST(products_have_the_same_bits_for_any_team_at_every_precision) {
  for (const Precision precision : precisions) {
    const Epilogues with(precision);
    const auto one = Matrix<float>::filled(with.m, with.n, 0), other = one;
    const Array<float> sums(with.n), other_sums(with.n);
    for (const int threads : {1, 2, 3, 5}) {
      auto gemm = with.problem();
      gemm.epilogue.bias = with.bias.data();
      gemm.column_sums = (threads == 1 ? sums : other_sums).data();
      Epilogues::run(gemm, threads == 1 ? one : other, threads);
      if (threads == 1) continue;
      CHECK(std::equal(one.array.begin(), one.array.end(), other.array.begin()), threads);
      CHECK(std::equal(sums.begin(), sums.end(), other_sums.begin()), threads);
    }
  }
}

// Denormals, scales far apart and sums that cancel: what terms cannot hold takes another way.
UNITGAIN_TEST(products_of_hard_values_keep_the_promise_of_every_precision) {
  constexpr Index m = 70, n = 68, k = 96;
  const std::pair<float, float> scales[] = {{1e-38f, 1e37f},  {1e-40f, 1.0f},   {1e-20f, 1e-20f},
                                            {1e-22f, 1e-22f}, {1e30f, 1e-38f},  {3e38f, 1e-2f},
                                            {1e-30f, 3e38f},  {1e-44f, 1e-44f}, {1e18f, 1e18f}};
  for (const Precision precision : precisions) {
    for (const auto& [x, y] : scales) {
      const auto a = Matrix<float>::random(m, k, 0, 1), b = Matrix<float>::random(k, n, 0, 2);
      for (Index i = 0; i < m; ++i) {
        for (Index p = 0; p < k; ++p) {
          // Rows of one scale, of scales mixed along the depth, and of pairs that cancel.
          if (i % 3 == 0 || (i % 3 == 1 && p % 2 == 0)) a(i, p) *= x;
          if (i % 3 == 2 && p % 2 == 1) a(i, p) = -a(i, p - 1);
        }
      }
      for (Index p = 0; p < k; ++p) {
        for (Index j = 0; j < n; ++j) {
          if (j < n / 2) b(p, j) *= y;
          if (j > n / 2 && p % 2 == 1) b(p, j) = b(p - 1, j);
        }
      }
      const auto c = Matrix<float>::filled(m, n, 0);
      multiply(view(a), view(b), c, precision);
      check_product(view(a), view(b), c, precision, describe(precision, m, n, k));
    }
  }
}

UNITGAIN_TEST(products_treat_infinities_and_nan_as_ieee_at_every_precision) {
  constexpr Index m = 70, n = 68, k = 400;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const Precision precision : precisions) {
    const auto a = Matrix<float>::random(m, k, 0, 1, 0.5, 1.0);
    const auto b = Matrix<float>::random(k, n, 0, 2, 0.5, 1.0);
    a(1, 2) = infinity;
    a(40, 399) = -infinity;
    a(2, 3) = std::numeric_limits<float>::quiet_NaN();
    b(5, 60) = infinity;
    b(2, 7) = 0;
    const auto c = Matrix<float>::filled(m, n, 0);
    multiply(view(a), view(b), c, precision);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        const double expected = expected_at(view(a), view(b), i, j).value;
        CHECK_NEAR(c(i, j), expected, std::isfinite(expected) ? 0.02 * expected : 0.0,
                   describe(precision, m, n, k) << ", i = " << i << ", j = " << j);
      }
    }
  }
}

// MKL's products of such values have errors of 2.5e-7 at a depth of 1024.
UNITGAIN_TEST(products_at_highest_err_no_more_than_sums_in_float) {
  constexpr Index m = 64, n = 96;
  for (const Index k : {512, 1024, 4096}) {
    const auto a = Matrix<float>::random(m, k, 0, 1), b = Matrix<float>::random(k, n, 0, 2);
    const auto c = Matrix<float>::filled(m, n, 0);
    multiply(view(a), view(b), c, Precision::highest);
    double squares = 0, errors = 0;
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        const double value = expected_at(view(a), view(b), i, j).value, error = c(i, j) - value;
        squares += value * value;
        errors += error * error;
      }
    }
    const double bound = runtime::split_kernels(Precision::highest) != nullptr ? 1.7e-7 : 2.6e-7;
    CHECK(errors <= bound * bound * squares, "k = " << k << ", " << std::sqrt(errors / squares));
  }
}

}  // namespace unitgain::tests
