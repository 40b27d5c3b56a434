// The tile of a product of 8-bit operands, whatever the instruction that multiplies. For sources in
// simd/ only, which define UNITGAIN_DOT first: the target that functions with the instruction need,
// or nothing.
//
// Dot: group; Sum, a vector of int32 sums; Right, a vector of weights as the instruction takes it,
// one group for each sum; right_bytes that Right is read from; and always inlined
//   Right load(const std::byte*); Sum add(Sum, std::int32_t word, Right), which adds the products
//   of a row's word with each group of weights.
#pragma once

#include <cstring>
#include <utility>

#include "simd/kernels/int8_gemm.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

constexpr Index int8_word = 4;   // bytes of a row's word
constexpr int int8_vectors = 2;  // of sums, in a row of the tile

// Tiles of few rows are through with a panel sooner than the hardware's prefetchers bring the next
// one from the third-level cache.
constexpr Index int8_bytes_ahead = 4096;

template <class Dot, int rows, int vectors>
UNITGAIN_DOT inline __attribute__((always_inline)) void add_words(
    const std::byte* a, Index stride, const std::byte* b, typename Dot::Sum (*sum)[vectors]) {
  typename Dot::Right right[vectors];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; ++v) right[v] = Dot::load(b + v * Dot::right_bytes);
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
    std::int32_t word;
    std::memcpy(&word, a + i * stride, sizeof word);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sum[i][v] = Dot::add(sum[i][v], word, right[v]);
  }
}

// Each sum of the tile is that of `hands` sums, to which the words are dealt: as many as keep the
// units that multiply busy.
template <class Dot, int rows, int vectors, int hands, bool far>
UNITGAIN_DOT void int8_sums(Index words, const std::byte* a, Index stride, const std::byte* b,
                            std::int32_t* sums) {
  constexpr Index step = int8_vectors * Dot::right_bytes;
  typename Dot::Sum sum[hands][rows][vectors];
#pragma GCC unroll 4
  for (int hand = 0; hand < hands; ++hand) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[hand][i][v] = typename Dot::Sum{};
    }
  }
  for (; words >= hands; words -= hands, a += hands * int8_word, b += hands * step) {
#pragma GCC unroll 4
    for (int hand = 0; hand < hands; ++hand) {
      add_words<Dot, rows, vectors>(a + hand * int8_word, stride, b + hand * step, sum[hand]);
    }
    if constexpr (far) {
#pragma GCC unroll 8
      for (Index line = 0; line < hands * step; line += 64) {
        __builtin_prefetch(b + line + int8_bytes_ahead);
      }
    }
  }
  for (; words > 0; --words, a += int8_word, b += step) {
    add_words<Dot, rows, vectors>(a, stride, b, sum[0]);
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
#pragma GCC unroll 4
      for (int hand = 1; hand < hands; ++hand) sum[0][i][v] += sum[hand][i][v];
      std::memcpy(sums + (i * int8_vectors + v) * lanes<float>, &sum[0][i][v], register_bytes);
    }
  }
}

using Int8Sums = void (*)(Index, const std::byte*, Index, const std::byte*, std::int32_t*);

// The kernels for 1 ... most_rows rows.
template <int most_rows>
struct Int8ByRows {
  Int8Sums kernel[most_rows];
};

template <class Dot, int vectors, bool far, int... row>
constexpr Int8ByRows<sizeof...(row)> int8_by_rows(std::integer_sequence<int, row...>) {
  return {{int8_sums < Dot, row + 1, vectors, row == 0 ? 4 : row < 3 ? 2 : 1, far && row<4>...}};
}

template <class Dot, int most_rows>
void int8_tile(Index words, const std::byte* rows, Index row_bytes, const std::byte* panel,
               bool far, Index m, Index n, std::int32_t* sums) {
  using Rows = std::make_integer_sequence<int, most_rows>;
  static constexpr Int8ByRows<most_rows> kernels[2][2] = {
      {int8_by_rows<Dot, 1, false>(Rows()), int8_by_rows<Dot, 1, true>(Rows())},
      {int8_by_rows<Dot, 2, false>(Rows()), int8_by_rows<Dot, 2, true>(Rows())}};
  kernels[n > lanes<float>][far].kernel[m - 1](words, rows, row_bytes, panel, sums);
}

// ---- what the kernels of every instruction share ----

constexpr float most_quantized = 255.0F;

// The scale and the zero of a row whose values are from `low` to `high`, which are not above and
// not below 0; and what to multiply by to quantize, 0 for a row that is too small to tell from 0.
// Two quotients, since the difference may overflow.
struct Int8Scaling {
  float scale, inverse, zero;
};
UNITGAIN_INLINE Int8Scaling int8_scaling(float low, float high) {
  const float scale = high / most_quantized - low / most_quantized;
  if (scale < 0x1p-120F) return {0, 0, 0};
  const float inverse = 1.0F / scale;
  return {scale, inverse, -low * inverse};
}

// Rounds what is from 0 to 2^22 to the nearest integer, ties to the even one: the last bits of the
// sum's significand are that integer.
constexpr float int8_magic = 0x1p23F;

template <class Value>
UNITGAIN_INLINE void quantize_row(const float* x, Index depth, std::byte* words, Index group,
                                  QuantizedRow* row) {
  constexpr int parts = 4;
  using F = Vec<float>;
  F low[parts], high[parts], poison = 0;
#pragma GCC unroll 4
  for (int i = 0; i < parts; ++i) low[i] = high[i] = 0;
  Index p = 0;
  const auto see = [&](F v, int i) __attribute__((always_inline)) {
    low[i] = blend(v < low[i], v, low[i]);
    high[i] = blend(v > high[i], v, high[i]);
    poison += v * F(0);  // NaN of what is not finite
  };
  for (; p + parts * lanes<float> <= depth; p += parts * lanes<float>) {
#pragma GCC unroll 4
    for (int i = 0; i < parts; ++i) see(load(x + p + i * lanes<float>), i);
  }
  for (; p + lanes<float> <= depth; p += lanes<float>) see(load(x + p), 0);
  if (p < depth) see(load_partial(x + p, depth - p), 0);
#pragma GCC unroll 4
  for (int i = 1; i < parts; ++i) {
    low[0] = blend(low[i] < low[0], low[i], low[0]);
    high[0] = blend(high[i] > high[0], high[i], high[0]);
  }
  const Int8Scaling scaling = int8_scaling(
      fold(low[0], [](auto a, auto b) __attribute__((always_inline)) { return a < b ? a : b; }),
      fold(high[0], [](auto a, auto b) __attribute__((always_inline)) { return a > b ? a : b; }));
  const F zero =
      std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaling.zero + int8_magic)) - int8_magic;
  *row = {scaling.scale + reduce(poison), static_cast<std::int32_t>(zero[0])};

  using Narrow [[gnu::vector_size(lanes<float> * sizeof(Value))]] = Value;
  using Wide [[gnu::vector_size(register_bytes)]] = std::uint32_t;
  auto* to = reinterpret_cast<unsigned char*>(words);
  const auto quantized = [&](F v) __attribute__((always_inline)) {
    F q = v * F(scaling.inverse) + zero;
    q = blend(q > F(0), q, F(0));
    q = blend(q < F(most_quantized), q, F(most_quantized));
    const Wide bits = std::bit_cast<Wide>(q + F(int8_magic)) & 0xffU;
    return __builtin_convertvector(bits, Narrow);
  };
  p = 0;
  for (; p + lanes<float> <= depth; p += lanes<float>) {
    const Narrow q = quantized(load(x + p));
    __builtin_memcpy(to + p * sizeof(Value), &q, sizeof q);
  }
  const Index padded = (depth + group - 1) / group * group;
  if (p < padded) {
    Value rest[lanes<float>];
    const Narrow q = quantized(load_partial(x + p, depth - p));
    __builtin_memcpy(rest, &q, sizeof q);
    for (Index i = depth - p; i < padded - p; ++i) rest[i] = 0;
    __builtin_memcpy(to + p * sizeof(Value), rest,
                     static_cast<unsigned long>(padded - p) * sizeof(Value));
  }
}

UNITGAIN_INLINE void int8_dequantize(const std::int32_t* sums, Index nr, const QuantizedRow* rows,
                                     const float* scales, const std::int32_t* column_sums, float* c,
                                     Index c_row_stride, Index m, Index n) {
  using Int [[gnu::vector_size(register_bytes)]] = std::int32_t;
  using Float [[gnu::vector_size(register_bytes)]] = float;
  for (Index j = 0; j < n; j += lanes<float>) {
    const Index rest = n - j;
    const bool whole = rest >= lanes<float>;
    const Vec<float> scale = whole ? load(scales + j) : load_partial(scales + j, rest);
    const Int totals = std::bit_cast<Int>(
        whole ? load(reinterpret_cast<const float*>(column_sums + j))
              : load_partial(reinterpret_cast<const float*>(column_sums + j), rest));
    for (Index i = 0; i < m; ++i) {
      Int sum;
      __builtin_memcpy(&sum, sums + i * nr + j, sizeof sum);
      sum -= rows[i].zero * totals;
      const auto value = Vec<float>::of(__builtin_convertvector(sum, Float));
      const Vec<float> result = value * scale * Vec<float>(rows[i].scale);
      float* to = c + i * c_row_stride + j;
      if (whole) {
        store(result, to);
      } else {
        store_partial(result, to, rest);
      }
    }
  }
}

}  // namespace

}  // namespace unitgain::simd::UNITGAIN_VARIANT
