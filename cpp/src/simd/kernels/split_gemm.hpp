// Matrix products in bfloat16 terms.
#pragma once

#include <cstddef>
#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// The most rows of a split kernel's `thin_tile`.
inline constexpr Index most_thin_split_rows = 2;

// The exponents of a panel's values, as biased exponent fields of float (denormals: 0, infinity and
// NaN: 255): the least of the values that are not zero and the greatest of all. A panel of zeros
// has lowest 255 and highest 0.
struct ExponentRange {
  std::int32_t lowest;
  std::int32_t highest;
};

// Products of float matrices whose operands are packed as sums of bfloat16 terms: x = x1 + x2 + x3,
// each term the nearest to what those before it left. Panels are packed in whole steps of
// `depth_step`, with zeros beyond the matrix's edges.
struct SplitGemmKernels {
  Index mr;          // rows of the tile
  Index nr;          // columns of the tile
  Index depth_step;  // the packed depth is a multiple of it
  Index terms;       // of a value, 2 bytes each

  // Rows and columns below which GemmKernels are no slower.
  Index least_side;

  // The error bound of `tile` holds for a depth of least_depth ... most_depth and for panels whose
  // ranges a, b satisfy
  //   lowest_each <= a.lowest, lowest_each <= b.lowest, lowest_sum <= a.lowest + b.lowest,
  //   highest_each >= a.highest, highest_each >= b.highest, highest_sum >= a.highest + b.highest.
  // The instructions take denormals for zeros, and what lies beyond may overflow in the split.
  Index least_depth;
  Index most_depth;
  std::int32_t lowest_each;
  std::int32_t highest_each;
  std::int32_t lowest_sum;
  std::int32_t highest_sum;

  // Pack the m x k matrix A into ceil(m / mr) panels, or the k x n matrix B into ceil(n / nr). A
  // panel takes its width * (k rounded up to depth_step) * terms * 2 bytes, and is read fastest
  // where it starts at a multiple of 64. ranges: one for each panel, or null.
  void (*pack_a)(const float* a, Index row_stride, Index col_stride, Index m, Index k,
                 std::byte* packed, ExponentRange* ranges);
  void (*pack_b)(const float* b, Index row_stride, Index col_stride, Index k, Index n,
                 std::byte* packed, ExponentRange* ranges);
  // The sums of the terms of a panel of B, k x n.
  void (*unpack_b)(const std::byte* packed, Index k, Index n, float* b, Index row_stride,
                   Index col_stride);
  // The product of a panel of A and a panel of B, m x n of it (m <= mr, n <= nr; more may be
  // written), to `product`, whose rows are nr apart.
  void (*tile)(Index k, const std::byte* a, const std::byte* b, Index m, Index n, float* product);
  // Both for an A of at most most_thin_split_rows rows: its panel is packed in an order of its own,
  // and the sums may run in another.
  void (*pack_thin_a)(const float* a, Index row_stride, Index col_stride, Index m, Index k,
                      std::byte* packed, ExponentRange* range);
  void (*thin_tile)(Index k, const std::byte* a, const std::byte* b, Index m, Index n,
                    float* product);
  // Around a thread's calls of `tile`.
  void (*begin)();
  void (*end)();
};

}  // namespace unitgain::simd
