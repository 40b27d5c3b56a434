// The kernels of bfloat16 terms that the variant and the CPU have, against float64 and the errors
// that are promised.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/gemm_split.hpp"
#include "products.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::tests {

// Calls body(precision, kernels) for the kernels of terms that the variant and the CPU have.
template <class Body>
static void for_each_split(Body&& body) {
  for (const Precision precision : precisions) {
    const simd::SplitGemmKernels* kernels = runtime::split_kernels(precision);
    if (kernels != nullptr) body(precision, *kernels);
  }
}

// A and B in a kernel's panels.
struct Panels {
  Panels(const simd::SplitGemmKernels& split, const MatrixView<const float>& a,
         const MatrixView<const float>& b)
      : kernels(split),
        k(a.cols),
        left(bytes(split.mr, a.rows)),
        right(bytes(split.nr, b.cols)),
        left_ranges(static_cast<std::size_t>(rounded_up(a.rows, split.mr) / split.mr)),
        right_ranges(static_cast<std::size_t>(rounded_up(b.cols, split.nr) / split.nr)) {
    split.pack_a(a.data, a.row_stride, a.col_stride, a.rows, k, left.data(), left_ranges.data());
    split.pack_b(b.data, b.row_stride, b.col_stride, k, b.cols, right.data(), right_ranges.data());
  }
  Index bytes(Index panel, Index lines) const {
    return rounded_up(lines, panel) * rounded_up(k, kernels.depth_step) * kernels.terms * 2;
  }

  const simd::SplitGemmKernels& kernels;
  Index k;
  Array<std::byte> left, right;
  std::vector<simd::ExponentRange> left_ranges, right_ranges;
};

// One tile's product.
static Matrix<float> multiply_tile(const simd::SplitGemmKernels& kernels,
                                   const MatrixView<const float>& a,
                                   const MatrixView<const float>& b) {
  const Panels panels(kernels, a, b);
  CHECK(ops::split_holds(kernels, panels.left_ranges[0], panels.right_ranges[0]),
        "exponents " << panels.left_ranges[0].lowest << " ... " << panels.left_ranges[0].highest
                     << " and " << panels.right_ranges[0].lowest << " ... "
                     << panels.right_ranges[0].highest);
  const auto product = Matrix<float>::filled(kernels.mr, kernels.nr, 0);
  kernels.begin();
  kernels.tile(a.cols, panels.left.data(), panels.right.data(), a.rows, b.cols, product.data());
  kernels.end();
  auto c = Matrix<float>::filled(a.rows, b.cols, 0);
  for (Index i = 0; i < c.rows; ++i) {
    for (Index j = 0; j < c.cols; ++j) c(i, j) = product(i, j);
  }
  return c;
}

UNITGAIN_TEST(split_panels_hold_the_values_terms) {
  for_each_split([](Precision precision, const simd::SplitGemmKernels& kernels) {
    const double kept = kernels.terms == 3 ? 0 : kernels.terms == 2 ? 0x1p-17 : 0x1p-8;
    for (const Index n : {Index{1}, Index{17}, kernels.nr, 2 * kernels.nr + 5}) {
      for (const Index k : {1, 2, 31, 33, 70}) {
        for_each_layout(k, n, 7, [&](const MatrixView<const float>& b) {
          const auto none = Matrix<float>::filled(0, k, 0);
          const Panels panels(kernels, view(none), b);
          const auto values = Matrix<float>::filled(k, n, 2);
          const Index step = panels.bytes(kernels.nr, kernels.nr);
          for (Index j = 0; j < n; j += kernels.nr) {
            kernels.unpack_b(panels.right.data() + j / kernels.nr * step, k,
                             std::min(kernels.nr, n - j), values.data() + j, values.stride, 1);
          }
          for (Index p = 0; p < k; ++p) {
            for (Index j = 0; j < n; ++j) {
              CHECK_NEAR(values(p, j), double{at(b, p, j)}, kept * std::abs(double{at(b, p, j)}),
                         describe(precision, 0, n, k) << ", p = " << p << ", j = " << j);
            }
          }
        });
      }
    }
  });
}

UNITGAIN_TEST(split_panels_know_their_exponents) {
  for_each_split([](Precision precision, const simd::SplitGemmKernels& kernels) {
    const Index n = kernels.nr + 3, k = 5;
    const auto b = Matrix<float>::filled(k, n, 0, 0.0);
    b(4, kernels.nr - 1) = -0x1.8p-30f;
    b(0, 0) = 0x1.cp40f;
    b(1, 1) = 0x1p-130f;
    const auto a = Matrix<float>::filled(1, k, 0, 0.0);
    a(0, 3) = std::numeric_limits<float>::infinity();
    const Panels panels(kernels, view(a), view(b));
    const auto check = [&](const simd::ExponentRange& range, int lowest, int highest) {
      CHECK(range.lowest == lowest && range.highest == highest,
            describe(precision, 1, n, k) << ": " << range.lowest << " ... " << range.highest);
    };
    check(panels.right_ranges[0], 0, 127 + 40);
    check(panels.right_ranges[1], 255, 0);
    check(panels.left_ranges[0], 255, 255);
  });
}

UNITGAIN_TEST(split_tiles_keep_the_promise_from_the_least_depth_on) {
  for_each_split([](Precision precision, const simd::SplitGemmKernels& kernels) {
    const Index mr = kernels.mr, nr = kernels.nr;
    for (const Index k : {std::max<Index>(1, kernels.least_depth), Index{33}, Index{64}, Index{95},
                          kernels.most_depth}) {
      for (const Index m : {Index{1}, mr / 2, mr / 2 + 1, mr}) {
        for (const Index n : {Index{1}, nr / 2, nr / 2 + 1, nr}) {
          const auto a = Matrix<float>::random(m, k, 1, 3), b = Matrix<float>::random(k, n, 2, 4);
          check_product(view(a), view(b), multiply_tile(kernels, view(a), view(b)), precision,
                        describe(precision, m, n, k));
        }
      }
    }
  });
}

// At the ends of the exponents that a table allows, nothing is lost by flushing denormals or by an
// overflow.
UNITGAIN_TEST(split_tiles_keep_the_promise_at_the_ends_of_their_range) {
  for_each_split([](Precision precision, const simd::SplitGemmKernels& kernels) {
    const Index m = kernels.mr, n = kernels.nr;
    const auto check = [&](int exponent_a, int exponent_b) {
      for (const Index k : {std::max<Index>(1, kernels.least_depth), Index{64}}) {
        const auto a = Matrix<float>::random(m, k, 0, 5, 1.0, 2.0);
        const auto b = Matrix<float>::random(k, n, 0, 6, -2.0, -1.0);
        for (Index at = 0; at < a.array.size(); ++at) {
          a.array[at] = std::ldexp(a.array[at], exponent_a - 127) * (at % 3 == 0 ? -1.0f : 1.0f);
        }
        for (Index at = 0; at < b.array.size(); ++at) {
          b.array[at] = std::ldexp(b.array[at], exponent_b - 127);
        }
        check_product(view(a), view(b), multiply_tile(kernels, view(a), view(b)), precision,
                      describe(precision, exponent_a, exponent_b, k));
      }
    };
    const double greatest = std::ldexp(kernels.most_depth, kernels.highest_sum - 2 * 127 + 2);
    CHECK(greatest < std::numeric_limits<float>::max(), greatest);
    check(kernels.lowest_each, kernels.lowest_sum - kernels.lowest_each);
    check(kernels.lowest_sum - kernels.lowest_each, kernels.lowest_each);
    check(kernels.lowest_sum / 2, kernels.lowest_sum - kernels.lowest_sum / 2);
    check(kernels.highest_each, kernels.highest_sum - kernels.highest_each);
    check(kernels.highest_sum - kernels.highest_each, kernels.highest_each);
  });
}

}  // namespace unitgain::tests
