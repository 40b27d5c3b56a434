// Products with weights of 8 bits: the kernels of the variant and those by AVX512_VNNI against
// exact integers, and the operation against float64. What is equal to integers here is equal among
// all variants.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "ops/gemm_int8.hpp"
#include "runtime/int8_kernels.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/error.hpp"
#include "unitgain/rows/activation.hpp"

namespace unitgain::tests {

template <class Body>
static void for_each_int8(Body&& body) {
  body(runtime::plain_int8_kernels());
  if (&runtime::int8_kernels() != &runtime::plain_int8_kernels()) body(runtime::int8_kernels());
}

static Index words_of(const simd::Int8GemmKernels& kernels, Index depth) {
  return (depth + kernels.group - 1) / kernels.group;
}

struct Quantized {
  std::vector<int> values;  // those beyond the depth, too
  simd::QuantizedRow row;
};

static Quantized quantize(const simd::Int8GemmKernels& kernels, const Array<float>& x) {
  const Index words = words_of(kernels, x.size());
  const Array<std::byte> to(words * 4, 0);
  Quantized made;
  kernels.quantize_row(x.data(), x.size(), to.data(), &made.row);
  for (Index p = 0; p < words * kernels.group; ++p) {
    const Index bytes = 4 / kernels.group;
    made.values.push_back(std::to_integer<int>(to[p * bytes]));
    if (bytes == 2) CHECK(to[p * bytes + 1] == std::byte{0}, "value " << p);
  }
  return made;
}

UNITGAIN_TEST(int8_rows_are_nearest_values_and_zero_is_exact) {
  struct Case {
    double low, high;
  };
  for (const Case& range : {Case{-1, 1}, Case{0, 3}, Case{-5, 0}, Case{2, 9},
                            Case{-0x1p127, 0x1p127}, Case{-0x1p-100, 0x1p-100}}) {
    for (const Index depth : {1, 2, 3, 4, 5, 15, 16, 17, 31, 64, 67, 131, 1000}) {
      const Array<float> x =
          random_array<float>(depth, static_cast<unsigned>(depth), range.low, range.high);
      const double high = std::max(0.0F, *std::max_element(x.begin(), x.end()));
      const double low = std::min(0.0F, *std::min_element(x.begin(), x.end()));
      const Quantized first = quantize(runtime::plain_int8_kernels(), x);
      for_each_int8([&](const simd::Int8GemmKernels& kernels) {
        const Quantized made = quantize(kernels, x);
        CHECK(made.row.scale == first.row.scale && made.row.zero == first.row.zero,
              "depth " << depth);
        CHECK_NEAR(double{made.row.scale}, (high - low) / 255, (high - low) / 255 * 0x1p-21,
                   "depth " << depth);
        for (Index p = 0; p < depth; ++p) {
          const int q = made.values[static_cast<std::size_t>(p)];
          CHECK(q == first.values[static_cast<std::size_t>(p)], "depth " << depth << ", p " << p);
          CHECK_NEAR((q - made.row.zero) * double{made.row.scale}, double{x[p]},
                     (high - low) / 255 * 1.001, "depth " << depth << ", p = " << p);
        }
        for (auto p = static_cast<std::size_t>(depth); p < made.values.size(); ++p) {
          CHECK(made.values[p] == 0, "depth " << depth << ", p = " << p);
        }
      });
    }
  }
}

UNITGAIN_TEST(int8_rows_of_zeros_and_of_values_that_are_not_finite) {
  for_each_int8([](const simd::Int8GemmKernels& kernels) {
    for (const Index depth : {1, 19, 100}) {
      Array<float> x(depth, 0.0F);
      CHECK(quantize(kernels, x).row.scale == 0, "depth " << depth);
      x[depth / 2] = 1e-40F;
      CHECK(quantize(kernels, x).row.scale == 0, "depth " << depth);
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
            -std::numeric_limits<float>::infinity()}) {
        x[depth - 1] = bad;
        CHECK(std::isnan(quantize(kernels, x).row.scale), "depth " << depth << ", " << bad);
      }
      x[depth - 1] = -std::numeric_limits<float>::max();
      x[0] = depth == 1 ? x[0] : std::numeric_limits<float>::max();
      CHECK(std::isfinite(quantize(kernels, x).row.scale), "depth " << depth);
    }
  });
}

// Rows in words and columns in a panel, of values that `next` gives.
struct Operands {
  template <class Next>
  Operands(const simd::Int8GemmKernels& table, Index rows, Index depth, Next&& next)
      : kernels(table),
        m(rows),
        k(depth),
        stride(words_of(table, depth) * 4 + 12),
        words(rows * stride, 0),
        panel(words_of(table, depth) * table.group * table.nr, 0) {
    for (Index p = 0; p < k; ++p) {
      for (Index i = 0; i < m; ++i) {
        left.push_back(next(0, 255));
        words[i * stride + p * (4 / kernels.group)] = static_cast<std::byte>(left.back());
      }
      for (Index j = 0; j < kernels.nr; ++j) {
        right.push_back(next(-127, 127));
        panel[(p / kernels.group * kernels.nr + j) * kernels.group + p % kernels.group] =
            static_cast<std::byte>(right.back());
      }
    }
  }

  void check(bool far, Index n) const {
    const Array<std::int32_t> sums(kernels.mr * kernels.nr);
    kernels.tile(words_of(kernels, k), words.data(), stride, panel.data(), far, m, n, sums.data());
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        std::int64_t expected = 0;
        for (Index p = 0; p < k; ++p) {
          expected += std::int64_t{left[static_cast<std::size_t>(p * m + i)]} *
                      right[static_cast<std::size_t>(p * kernels.nr + j)];
        }
        CHECK(sums[i * kernels.nr + j] == expected,
              m << " x " << n << " x " << k << ", i = " << i << ", j = " << j << ": "
                << sums[i * kernels.nr + j] << ", expected " << expected);
      }
    }
  }

  const simd::Int8GemmKernels& kernels;
  Index m, k, stride;
  Array<std::byte> words, panel;
  std::vector<int> left, right;
};

UNITGAIN_TEST(int8_sums_are_exact) {
  std::mt19937 random(1);
  const auto any = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for_each_int8([&](const simd::Int8GemmKernels& kernels) {
    for (Index m = 1; m <= kernels.mr; ++m) {
      for (const Index k : {1, 2, 7, 8, 30, 101}) {
        const Operands operands(kernels, m, k, any);
        for (const Index n : {Index{1}, kernels.nr / 2, kernels.nr / 2 + 1, kernels.nr}) {
          operands.check(false, n);
          operands.check(true, n);
        }
      }
    }
  });
}

UNITGAIN_TEST(int8_sums_do_not_saturate_or_overflow) {
  for_each_int8([](const simd::Int8GemmKernels& kernels) {
    for (const Index k : {Index{4}, simd::most_int8_depth}) {
      const Index m = k == 4 ? kernels.mr : 1;
      Operands(kernels, m, k, [](int, int high) { return high; }).check(false, kernels.nr);
      Operands(kernels, m, k, [](int low, int high) {
        return low == 0 ? high : low;
      }).check(true, kernels.nr);
    }
  });
}

UNITGAIN_TEST(int8_weights_are_exact_multiples_that_quantize_to_themselves) {
  const Index rows = 37, cols = 21;
  const auto b = Matrix<float>::random(rows, cols, 3, 5);
  for (Index i = 0; i < rows; ++i) {
    b(i, 3) = 0;
    b(i, 4) *= 0x1p127F;
    b(i, 5) *= 0x1p-130F;
    b(i, 6) *= 0x1p-20F;
  }
  b(2, 7) = std::numeric_limits<float>::max();
  const MatrixView<const float> view{b.data(), rows, cols, b.stride, 1};
  const Array<std::int8_t> values(rows * cols, 0), again(rows * cols, 0);
  const Array<float> scales(cols), scales_again(cols), whole(rows * cols);
  ops::quantize_columns(view, "kernel", values.data(), scales.data());
  ops::dequantize_columns(values.data(), scales.data(), {whole.data(), rows, cols, cols, 1});
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      const double exact = double{scales[j]} * values[i * cols + j];
      CHECK(exact == whole[i * cols + j], "i = " << i << ", j = " << j);
      CHECK_NEAR(exact, double{b(i, j)}, 0.501 * scales[j] + 0x1p-127,
                 "i = " << i << ", j = " << j);
    }
  }
  ops::quantize_columns({whole.data(), rows, cols, cols, 1}, "kernel", again.data(),
                        scales_again.data());
  CHECK(std::equal(values.begin(), values.end(), again.begin()), "values");
  CHECK(std::equal(scales.begin(), scales.end(), scales_again.begin()), "scales");

  const ops::QuantizedMatrix packed(rows, cols, values.data(), scales.data());
  const Array<float> unpacked(rows * cols);
  packed.unpack({unpacked.data(), rows, cols, cols, 1});
  CHECK(std::equal(whole.begin(), whole.end(), unpacked.begin()), "unpacked");

  b(0, 0) = std::numeric_limits<float>::infinity();
  bool refused = false;
  try {
    ops::quantize_columns(view, "dense/kernel", again.data(), scales_again.data());
  } catch (const ValueError& error) {
    refused = std::string(error.what()).starts_with("dense/kernel has values that are not finite");
  }
  CHECK(refused, "an infinite weight");
}

// Of y = relu(x W + b): weights are rounded by half their scale at most, inputs by half of theirs
// and as much again for the zero.
UNITGAIN_TEST(int8_products_are_near_and_the_same_for_any_team) {
  for (const Index k : {1, 50, 300}) {
    for (const Index n : {1, 10, 70}) {
      const auto w = Matrix<float>::random(k, n, 0, 7);
      const auto bias = random_array<float>(n, 8);
      const auto packed = ops::QuantizedMatrix::of({w.data(), k, n, n, 1}, "kernel");
      for (const Index m : {0, 1, 2, 5, 31, 130}) {
        const auto x = Matrix<float>::random(m, k, 2, 9);
        std::vector<float> first;
        for (const int threads : {1, 2, 3, 4}) {
          const auto c = Matrix<float>::filled(m, n, 3);
          const auto before = Matrix<float>::filled(m, n, 3);
          ops::Gemm<float> problem{
              {x.data(), m, k, x.stride, 1}, {}, {c.data(), m, n, c.stride, 1}};
          problem.epilogue.bias = bias.data();
          problem.epilogue.activation.kind = Activation::relu;
          const Array<std::byte> workspace(ops::gemm_int8_workspace(m, k, threads), 0);
          runtime::parallel(threads, [&](const runtime::Team& team) {
            ops::gemm_int8(team, problem, packed, workspace.data());
          });
          CHECK(c.gaps_equal(before), m << " x " << n << " x " << k);
          if (threads == 1) {
            first.assign(c.array.begin(), c.array.end());
          } else {
            CHECK(std::equal(c.array.begin(), c.array.end(), first.begin()),
                  m << " x " << n << " x " << k << ", threads " << threads);
          }
        }
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            double expected = bias[j], bound = 1e-5;
            for (Index p = 0; p < k; ++p) {
              expected += double{x(i, p)} * w(p, j);
              bound += std::abs(w(p, j)) * 2.0 / 255 + std::abs(x(i, p)) * 0.51 / 127;
            }
            CHECK_NEAR(double{first[static_cast<std::size_t>(i * (n + 3) + j)]},
                       std::max(expected, 0.0), bound,
                       m << " x " << n << " x " << k << ", i = " << i << ", j = " << j);
          }
        }
      }
    }
  }
}

}  // namespace unitgain::tests
