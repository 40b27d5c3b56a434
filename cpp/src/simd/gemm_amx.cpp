// Products of float matrices in bfloat16 terms, on AMX's tiles: one term of each value (medium),
// two (high) or three (highest), of whose products the greatest 1, 3 or 6 are summed. Source:
// Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
// higher-precision computations", 2019.
//
// Assumptions:
// - a tile of C is 32 x 32, in four registers; two more hold a term of its rows of A, two a term of
//   its columns of B: a multiplication for each load if nothing is used twice;
// - a packed panel holds, for each 32 of depth in turn and each term, two register images of 1 KB:
//   of A 16 rows of 32 values, of B 16 pairs of depths of 16 columns; zero beyond the edges.
//
// Time. TDPBF16PS takes 16 cycles and adds to C after 52, so the four of C keep the unit busy; a
// load takes 8 cycles from the first-level cache. The 24 multiplications of a step of `highest`
// take 384 cycles, their 14 loads 112, and what is read once for the step, 12 KB, comes from the
// second level at 32 bytes a cycle, of 48 that it gives. All of it is reckoned, nothing measured:
// no AMX machine was at hand.
#include "simd/kernels/split_gemm.hpp"
#include "simd/variant.hpp"

#if defined(UNITGAIN_TILES)

#include "simd/bf16.hpp"
#include "simd/tiles.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

constexpr Index panel_lines = 2 * tile_lines;
constexpr Index step_depth = 32;
static_assert(block_lines == tile_lines && block_depth == step_depth);

template <int terms>
constexpr Index step_bytes = terms * 2 * tile_bytes;

// ---- packing ----

template <int terms, BlockOrder order>
UNITGAIN_BF16 ExponentRange pack_panel(const float* source, Index line_stride, Index depth_stride,
                                       Index lines, Index depth, std::byte* packed) {
  Magnitudes seen;
  float copy[block_lines * block_depth];
  for (Index p = 0; p < depth; p += step_depth, packed += step_bytes<terms>) {
    for (Index half = 0; half < 2; ++half) {
      const Index i = half * tile_lines;
      const BlockSource whole = {source + (i < lines ? i * line_stride : 0) + p * depth_stride,
                                 line_stride, depth_stride, lines - i,
                                 depth - p < step_depth ? depth - p : step_depth};
      NativeVector<float> block[terms][tile_lines];
      load_block<terms, order>(with_unit_stride(whole, copy), block, seen);
#pragma GCC unroll 3
      for (int t = 0; t < terms; ++t) {
        std::byte* to = packed + (2 * t + half) * tile_bytes;
#pragma GCC unroll 16
        for (Index line = 0; line < tile_lines; ++line) {
          std::memcpy(to + line * tile_line_bytes, &block[t][line], tile_line_bytes);
        }
      }
    }
  }
  return exponent_range(seen);
}

template <int terms, BlockOrder order>
UNITGAIN_BF16 void pack(const float* source, Index line_stride, Index depth_stride, Index width,
                        Index depth, std::byte* packed, ExponentRange* ranges) {
  const Index bytes = (depth + step_depth - 1) / step_depth * step_bytes<terms>;
  for (Index i = 0; i < width; i += panel_lines, packed += bytes) {
    const Index lines = width - i < panel_lines ? width - i : panel_lines;
    const ExponentRange range = pack_panel<terms, order>(source + i * line_stride, line_stride,
                                                         depth_stride, lines, depth, packed);
    if (ranges != nullptr) *ranges++ = range;
  }
}

template <int terms>
void pack_a(const float* a, Index row_stride, Index col_stride, Index m, Index k, std::byte* packed,
            ExponentRange* ranges) {
  pack<terms, BlockOrder::lines>(a, row_stride, col_stride, m, k, packed, ranges);
}

template <int terms>
void pack_b(const float* b, Index row_stride, Index col_stride, Index k, Index n, std::byte* packed,
            ExponentRange* ranges) {
  pack<terms, BlockOrder::pairs>(b, col_stride, row_stride, n, k, packed, ranges);
}

template <int terms>
void unpack_b(const std::byte* packed, Index k, Index n, float* b, Index row_stride,
              Index col_stride) {
  for (Index p = 0; p < k; ++p) {
    const Index pair = p % step_depth / 2;
    for (Index j = 0; j < n; ++j) {
      const std::byte* value = packed + p / step_depth * step_bytes<terms> +
                               j / tile_lines * tile_bytes + pair * tile_line_bytes +
                               j % tile_lines * 4 + p % 2 * 2;
      float sum = 0;
      for (int t = 0; t < terms; ++t) sum += widen_one(value + t * 2 * tile_bytes);
      b[p * row_stride + j * col_stride] = sum;
    }
  }
}

// ---- the tile ----

// Term a of A times term b of B, counted from 0.
struct Product {
  int a, b;
};

// Neighbours share a term, whose registers then stay. With three terms one term is loaded twice, as
// the products a1 b1, a1 b2, a2 b2 and a2 b1 form a ring. a1 b1 is the last: what precedes it in
// the first step is small, and its rounding errors with it.
template <int terms>
struct Products;
template <>
struct Products<1> {
  static constexpr Product order[] = {{0, 0}};
};
template <>
struct Products<2> {
  static constexpr Product order[] = {{1, 0}, {0, 0}, {0, 1}};
};
template <>
struct Products<3> {
  static constexpr Product order[] = {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}};
};

// The products from number `index` on of one step, for `rows` x `cols` registers of C. Registers 0
// ... 3 are C's, by rows; 4 and 5 hold A's halves, 6 and 7 B's.
template <int terms, int index, int rows, int cols>
UNITGAIN_INLINE void multiply_terms(Tiles& tiles, const std::byte* a, const std::byte* b) {
  constexpr auto& order = Products<terms>::order;
  if constexpr (index < static_cast<int>(sizeof(order) / sizeof(Product))) {
    constexpr Product now = order[index], before = index > 0 ? order[index - 1] : Product{-1, -1};
    constexpr bool loads_a = now.a != before.a, loads_b = now.b != before.b;
    constexpr int size = static_cast<int>(tile_bytes), from_a = now.a * 2 * size,
                  from_b = now.b * 2 * size;
    if constexpr (loads_a) tiles.load<4, from_a>(a);
    if constexpr (loads_b) tiles.load<6, from_b>(b);
    tiles.multiply_add<0, 4, 6>();
    if constexpr (cols == 2) {
      if constexpr (loads_b) tiles.load<7, from_b + size>(b);
      tiles.multiply_add<1, 4, 7>();
    }
    if constexpr (rows == 2) {
      if constexpr (loads_a) tiles.load<5, from_a + size>(a);
      tiles.multiply_add<2, 5, 6>();
      if constexpr (cols == 2) tiles.multiply_add<3, 5, 7>();
    }
    multiply_terms<terms, index + 1, rows, cols>(tiles, a, b);
  }
}

template <int terms, int rows, int cols>
void multiply_tile(Index steps, const std::byte* a, const std::byte* b, float* product) {
  Tiles tiles;
  tiles.zero<0>();
  if constexpr (cols == 2) tiles.zero<1>();
  if constexpr (rows == 2) tiles.zero<2>();
  if constexpr (rows == 2 && cols == 2) tiles.zero<3>();
  for (; steps > 0; --steps, a += step_bytes<terms>, b += step_bytes<terms>) {
    multiply_terms<terms, 0, rows, cols>(tiles, a, b);
  }
  float* lower = product + tile_lines * panel_lines;
  tiles.store<0>(product, panel_lines);
  if constexpr (cols == 2) tiles.store<1>(product + tile_lines, panel_lines);
  if constexpr (rows == 2) tiles.store<2>(lower, panel_lines);
  if constexpr (rows == 2 && cols == 2) tiles.store<3>(lower + tile_lines, panel_lines);
}

template <int terms>
void tile(Index k, const std::byte* a, const std::byte* b, Index m, Index n, float* product) {
  const Index steps = (k + step_depth - 1) / step_depth;
  if (m <= tile_lines) {
    n <= tile_lines ? multiply_tile<terms, 1, 1>(steps, a, b, product)
                    : multiply_tile<terms, 1, 2>(steps, a, b, product);
  } else {
    n <= tile_lines ? multiply_tile<terms, 2, 1>(steps, a, b, product)
                    : multiply_tile<terms, 2, 2>(steps, a, b, product);
  }
}

void begin() {
  Tiles::configure();
}
void end() {
  Tiles::release();
}

// Figures that differ between the precisions.
struct Limits {
  Index least_side;
  Index least_depth;
  Index most_depth;
  std::int32_t lowest_each;
  std::int32_t lowest_sum;
};

// Nothing overflows: terms have exponents up to 254, sums of most_depth products below 2^106 each
// stay below 2^117.
template <int terms>
constexpr SplitGemmKernels kernels(const Limits& limits) {
  return {
      .mr = panel_lines,
      .nr = panel_lines,
      .depth_step = step_depth,
      .terms = terms,
      .least_side = limits.least_side,
      .least_depth = limits.least_depth,
      .most_depth = limits.most_depth,
      .lowest_each = limits.lowest_each,
      .highest_each = 253,
      .lowest_sum = limits.lowest_sum,
      .highest_sum = 2 * 127 + 104,
      .pack_a = pack_a<terms>,
      .pack_b = pack_b<terms>,
      .unpack_b = unpack_b<terms>,
      .tile = tile<terms>,
      .pack_thin_a = pack_a<terms>,
      .thin_tile = tile<terms>,
      .begin = begin,
      .end = end,
  };
}

}  // namespace

// Depth of a pass. A tile's panels come from the second-level cache each time, so they need not be
// shallow. With mc rows of A in a quarter of 2 MB, and t terms, a panel of B (64 t kc bytes) is
// read from beyond that cache once for mc / 32 = 8192 / (t kc) tiles, each of which reads and
// writes 8 KB of C; both together are least about t kc = 1024.
//
// Sides. A multiplication of the FMA kernel takes some 1/26 of a cycle, one of t terms some t (t +
// 1) / 600 at 60% of the peak, and packing a value of A or B 0.25, 0.45 and 0.75 with t = 1, 2 and
// 3 (measured on Zen 5). Squares of 14, 32 and 81 then break even, and wide matrices of half as
// many rows; of the last less, since the FMA kernel packs too, of all more, since edges fill tiles
// badly. A model as well, to be tuned on hardware.

// ---- errors ----
//
// Write u = 2^-24, M for an entry of |A| |B|, D for the depth of a pass. A rounding to bfloat16
// changes x by at most 2^-8 |x|; what it leaves, x2, has an exponent less by 9 or is a power of two
// that rounds to itself, so that the next leaves at most 2^-17 |x|.
//
// In TDPBF16PS a sum of 32 products is that of two chains of 16 fused multiply-adds, the first of
// them exact since a product has 16 bits: 15 roundings; one more joins the chains, and one adds
// them to C's register.
//
// Flushed denormals. Each of the three results that a pair of terms passes at once may lose 2^-126:
// with p products, 3 p 2^-126 for a pair of values that are not zero (zeros change nothing).

// The operands' rounding is the promise, to 2^-7 M, and so is what a flush loses: see
// gemm_bf16.cpp.
constinit const SplitGemmKernels split_medium = kernels<1>(
    {.least_side = 32, .least_depth = 0, .most_depth = 1024, .lowest_each = 1, .lowest_sum = 2});

// Left out: a2 b2, at most 2^-16 M, and what two terms leave of a or of b, 2^-17 M each. With
// mantissas of all sizes that is 4.4e-6 of a product in root mean square, and a smaller part of M
// for sums of 32 or more. Terms are normal numbers or zero where a value's last bit is.
constinit const SplitGemmKernels split_high = kernels<2>({.least_side = 48,
                                                          .least_depth = 32,
                                                          .most_depth = 512,
                                                          .lowest_each = 24,
                                                          .lowest_sum = 2 * 127 - 102});

// |C - AB| <= gamma_k M:
// - three terms are the value itself, whose 24 bits are at most 8 + 8 + 8, if its last bit is
//   normal: from 2^-103, the exponent 24, on;
// - left out are a2 b3, a3 b2 and a3 b3, at most (2^-24 + 2^-34) M, 1.01 u M;
// - a product a1 b1 passes at most D / 2 - 1 roundings in its chain, 15 of 32 depths or more, 1 to
//   join, 1 to be added, 6 for each later step of 32 and 1 for each later pass; the other products
//   weigh 2^-7 M, and the 22 roundings that they have of their own 0.2 u M; the flush of pairs from
//   2^-94 on is 0.1 u M.
// Together that is (D / 2 + 2.4) u M for D <= 32, less than D u M from D = 8 on, and 6 u M for each
// 32 more.
//
// Root mean square, for values of random signs, as a part of C's: with partial sums that grow as
// the root of what they hold, and q that of one rounding, 0.4 u, the chains of 16 give 2.9 q, six
// additions a step sqrt(6 D / 64) q and the passes sqrt(k / (2 D)) q: 6.6 q = 1.6e-7 for D = 352
// and k = 1024, where 1.5e-7 was found in emulation. A float sum in chains of 190, MKL's, gives 9.7
// q = 2.3e-7, where 2.5e-7 was found.
constinit const SplitGemmKernels split_highest = kernels<3>({.least_side = 64,
                                                             .least_depth = 8,
                                                             .most_depth = 352,
                                                             .lowest_each = 24,
                                                             .lowest_sum = 2 * 127 - 94});

}  // namespace unitgain::simd::UNITGAIN_VARIANT

#endif
