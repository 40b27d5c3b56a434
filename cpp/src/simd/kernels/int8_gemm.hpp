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

// Every variant has the same quantized values and the same sums, which are exact.
//
// A quantized row is words of 32 bits, each with the values of `group` neighbours in depth, zero
// beyond the last one. A panel of the k x n weights holds, for each group in turn, the group's
// weights of each of the panel's nr columns, one byte a weight, zero beyond the matrix's edges.
struct Int8GemmKernels {
  Index mr;     // rows of the tile
  Index nr;     // columns of the tile, and of a panel
  Index group;  // 4, or 2

  // Quantizes a row of `depth` values to ceil(depth / group) words.
  void (*quantize_row)(const float* x, Index depth, std::byte* words, QuantizedRow* row);
  // The sums of products of m rows (at most mr), so many words each and row_bytes apart, with the
  // first n columns (at most nr; more may be written) of a panel. Rows of sums are nr apart. `far`:
  // the panels that one thread multiplies are more than the second-level cache holds.
  void (*tile)(Index words, const std::byte* rows, Index row_bytes, const std::byte* panel,
               bool far, Index m, Index n, std::int32_t* sums);
  // C = what the sums stand for: scale_j rows[i].scale (sums_ij - rows[i].zero column_sums_j), m x
  // n of a tile.
  void (*dequantize)(const std::int32_t* sums, const QuantizedRow* rows, const float* scales,
                     const std::int32_t* column_sums, float* c, Index c_row_stride, Index m,
                     Index n);
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
