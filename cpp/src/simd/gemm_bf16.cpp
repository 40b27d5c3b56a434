// Products of float matrices rounded to bfloat16, by VDPBF16PS, on CPUs with AVX512_BF16
// and without AMX.
//
// Assumptions:
// - a tile is 14 x 32: its 28 accumulators, two vectors of B and one broadcast of A fill the
//   register file;
// - a packed panel holds, for each pair of depths in turn, the pair's values of each of the panel's
//   lines (rows of A, columns of B), 4 bytes a line, zero beyond the matrix's edges.
//
// Errors. Rounding a value x to x1 changes it by at most 2^-8 |x|, a product by 2^-7 (1 + 2^-9) of
// itself. The instruction adds an exact product with one rounding to nearest, but takes denormal
// operands and results for zeros: x1 is normal, and a sum that is flushed loses less than 2^-126,
// which `medium` allows. (Products would have to be 2^-102 for no more to be lost than by rounding;
// but the gradients of a classifier that is sure hold values of any size, and their products would
// all be left to the plain kernel.) Nothing overflows in the split below the exponent 254, nor in
// sums of at most most_depth products each of which is below 2^106.
#include "simd/kernels/split_gemm.hpp"
#include "simd/variant.hpp"

#if defined(__AVX512F__) && !defined(UNITGAIN_TILES)

#include "simd/bf16.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

constexpr Index tile_rows = 14;
constexpr Index tile_cols = 32;
constexpr Index pair_bytes = 4;

template <Index panel>
UNITGAIN_BF16 ExponentRange pack_panel(const float* source, Index line_stride, Index depth_stride,
                                       Index lines, Index depth, std::byte* packed) {
  Magnitudes seen;
  float copy[block_lines * block_depth];
  for (Index p = 0; p < depth; p += block_depth) {
    const Index part = depth - p < block_depth ? depth - p : block_depth;
    const Index pairs = (part + 1) / 2;
    for (Index i = 0; i < panel; i += block_lines) {
      const BlockSource whole = {source + (i < lines ? i * line_stride : 0) + p * depth_stride,
                                 line_stride, depth_stride, lines - i, part};
      NativeVector<float> block[1][16];
      load_block<1, BlockOrder::pairs>(with_unit_stride(whole, copy), block, seen);
      const __mmask16 kept = first_lanes(panel - i);
#pragma GCC unroll 16
      for (Index q = 0; q < block_pairs; ++q) {
        if (q >= pairs) break;
        std::byte* to = packed + ((p / 2 + q) * panel + i) * pair_bytes;
        _mm512_mask_storeu_ps(to, kept, std::bit_cast<__m512>(block[0][q]));
      }
    }
  }
  return exponent_range(seen);
}

template <Index panel>
UNITGAIN_BF16 void pack(const float* source, Index line_stride, Index depth_stride, Index width,
                        Index depth, std::byte* packed, ExponentRange* ranges) {
  const Index bytes = (depth + 1) / 2 * panel * pair_bytes;
  for (Index i = 0; i < width; i += panel, packed += bytes) {
    const Index lines = width - i < panel ? width - i : panel;
    const ExponentRange range = pack_panel<panel>(source + i * line_stride, line_stride,
                                                  depth_stride, lines, depth, packed);
    if (ranges != nullptr) *ranges++ = range;
  }
}

void pack_a(const float* a, Index row_stride, Index col_stride, Index m, Index k, std::byte* packed,
            ExponentRange* ranges) {
  pack<tile_rows>(a, row_stride, col_stride, m, k, packed, ranges);
}

void pack_b(const float* b, Index row_stride, Index col_stride, Index k, Index n, std::byte* packed,
            ExponentRange* ranges) {
  pack<tile_cols>(b, col_stride, row_stride, n, k, packed, ranges);
}

void unpack_b(const std::byte* packed, Index k, Index n, float* b, Index row_stride,
              Index col_stride) {
  for (Index p = 0; p < k; ++p) {
    for (Index j = 0; j < n; ++j) {
      b[p * row_stride + j * col_stride] =
          widen_one(packed + (p / 2 * tile_cols + j) * pair_bytes + p % 2 * 2);
    }
  }
}

// Adds the products of a pair of depths.
template <int rows, int vectors>
UNITGAIN_BF16 inline __attribute__((always_inline)) void add_pair(const std::byte* a,
                                                                  const std::byte* b,
                                                                  __m512 (*sum)[vectors]) {
  __m512bh right[vectors];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; ++v) {
    right[v] = std::bit_cast<__m512bh>(_mm512_loadu_si512(b + v * 64));
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
    std::int32_t pair;
    std::memcpy(&pair, a + i * pair_bytes, sizeof pair);
    const auto left = std::bit_cast<__m512bh>(_mm512_set1_epi32(pair));
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sum[i][v] = _mm512_dpbf16_ps(sum[i][v], left, right[v]);
  }
}

// Tiles of few rows are through with a panel sooner than the hardware's prefetchers bring the next
// one from the third-level cache.
constexpr int most_fetching_rows = 8;
constexpr Index bytes_ahead = 3072;

// Each sum of the product is that of `hands` sums, to which the depth is dealt.
template <int rows, int vectors, int panel_rows = tile_rows, int hands = 1>
UNITGAIN_BF16 void multiply_tile(Index pairs, const std::byte* a, const std::byte* b,
                                 float* product) {
  constexpr Index a_step = panel_rows * pair_bytes, b_step = tile_cols * pair_bytes;
  __m512 sum[hands][rows][vectors];
#pragma GCC unroll 4
  for (int hand = 0; hand < hands; ++hand) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[hand][i][v] = _mm512_setzero_ps();
    }
  }
  for (; pairs >= hands; pairs -= hands, a += hands * a_step, b += hands * b_step) {
#pragma GCC unroll 4
    for (int hand = 0; hand < hands; ++hand) {
      add_pair<rows, vectors>(a + hand * a_step, b + hand * b_step, sum[hand]);
      if constexpr (rows <= most_fetching_rows) {
        __builtin_prefetch(b + hand * b_step + bytes_ahead);
        __builtin_prefetch(b + hand * b_step + bytes_ahead + 64);
      }
    }
  }
  for (; pairs > 0; --pairs, a += a_step, b += b_step) add_pair<rows, vectors>(a, b, sum[0]);
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
#pragma GCC unroll 4
      for (int hand = 1; hand < hands; ++hand) {
        sum[0][i][v] = _mm512_add_ps(sum[0][i][v], sum[hand][i][v]);
      }
      _mm512_storeu_ps(product + i * tile_cols + v * 16, sum[0][i][v]);
    }
  }
}

using MultiplyTile = void (*)(Index, const std::byte*, const std::byte*, float*);

// The kernels for 1 ... tile_rows rows.
struct KernelsByRows {
  MultiplyTile kernel[tile_rows];
};

template <int vectors, int... row>
constexpr KernelsByRows make_kernels(std::integer_sequence<int, row...>) {
  return {{multiply_tile<row + 1, vectors>...}};
}

template <int vectors>
constexpr KernelsByRows kernels_by_rows =
    make_kernels<vectors>(std::make_integer_sequence<int, tile_rows>());

void tile(Index k, const std::byte* a, const std::byte* b, Index m, Index n, float* product) {
  const KernelsByRows& kernels = n <= 16 ? kernels_by_rows<1> : kernels_by_rows<2>;
  kernels.kernel[m - 1]((k + 1) / 2, a, b, product);
}

// Few rows: their panel has no room for more, which would take L1 from the panels of B.
void pack_thin_a(const float* a, Index row_stride, Index col_stride, Index m, Index k,
                 std::byte* packed, ExponentRange* range) {
  pack<most_thin_split_rows>(a, row_stride, col_stride, m, k, packed, range);
}

// A product of pairs takes some six cycles in which twelve could begin; a tile of one row has two.
void thin_tile(Index k, const std::byte* a, const std::byte* b, Index m, Index, float* product) {
  (m == 1 ? multiply_tile<1, 2, most_thin_split_rows, 4>
          : multiply_tile<2, 2, most_thin_split_rows, 2>)((k + 1) / 2, a, b, product);
}

void nothing() {}

}  // namespace

constinit const SplitGemmKernels split_medium = {
    .mr = tile_rows,
    .nr = tile_cols,
    .depth_step = 2,
    .terms = 1,
    .least_side = 48,  // below, packing costs more than the faster arithmetic saves
    .least_depth = 0,
    .most_depth = 1024,
    .lowest_each = 1,
    .highest_each = 253,
    .lowest_sum = 2,
    .highest_sum = 2 * 127 + 104,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .unpack_b = unpack_b,
    .tile = tile,
    .pack_thin_a = pack_thin_a,
    .thin_tile = thin_tile,
    .begin = nothing,
    .end = nothing,
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT

#endif
