// Products of rows that are quantized as they come with weights of 8 bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// x is about scale * (q - zero) for each value q (0 ... 255) of a quantized row, and 0 exactly
// where q is zero. A row with a value that is not finite has the scale NaN.
struct QuantizedRow {
  float scale;
  std::int32_t zero;
};

// The most depth of a product whose sums do not overflow: 2^31 / (255 * 128).
inline constexpr Index most_int8_depth = 65793;

// What sums of columns stand for: scales_j rows[i].scale (sums_ij - rows[i].zero sums_j) + bias_j,
// and with `relu` 0 where that is negative. From the tile's first column on.
struct Int8Columns {
  const float* scales;
  const std::int32_t* sums;  // of the column's weights
  const float* bias;         // null: none
  bool relu;
};

// Every variant has the same quantized values and the same sums, which are exact.
//
// A quantized row is words of 32 bits, each with the values of `group` neighbours in depth, zero
// beyond the last one. A panel of the k x n weights holds, for each group in turn, the group's
// weights of each of the panel's nr columns, one byte a weight, zero beyond the matrix's edges.
struct Int8GemmKernels {
  Index mr;     // rows of the tile
  Index nr;     // columns of the tile, and of a panel
  Index group;  // 4, or 2

  // Quantizes m rows of `depth` values to ceil(depth / group) words each, row_bytes apart.
  void (*quantize)(const float* x, Index row_stride, Index m, Index depth, std::byte* words,
                   Index row_bytes, QuantizedRow* rows);
  // The sums of products of m rows (at most mr), so many words each and row_bytes apart, with the
  // first n columns (at most nr; more may be written) of a panel. Rows of sums are nr apart.
  void (*tile)(Index words, const std::byte* rows, Index row_bytes, const std::byte* panel, Index m,
               Index n, std::int32_t* sums);
  // C = what the sums stand for, m x n of a tile.
  void (*dequantize)(const std::int32_t* sums, const QuantizedRow* rows, const Int8Columns& columns,
                     float* c, Index c_row_stride, Index m, Index n);
  // The same by AVX512_VNNI, for CPUs that have it; null where the variant has none.
  const Int8GemmKernels* by_vnni;
};

#if defined(UNITGAIN_VARIANT)

// What a variant's sources define, amx taking avx512's: by products of pairs, and by AVX512_VNNI.
namespace UNITGAIN_VARIANT {
extern const Int8GemmKernels int8_gemm;
#if defined(__AVX512F__)
extern const Int8GemmKernels int8_gemm_vnni;
#endif
}  // namespace UNITGAIN_VARIANT

#endif

}  // namespace unitgain::simd
