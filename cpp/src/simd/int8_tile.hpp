// The tile of a product of 8-bit operands, whatever the instruction that multiplies. For sources in
// simd/ only, which define UNITGAIN_DOT first: the target that functions with the instruction need,
// or nothing.
//
// Dot: group; Value, what a quantized value is held as; Sum, a vector of int32 sums; Right, a
// vector of weights as the instruction takes it, one group for each sum; right_bytes that Right is
// read from; and always inlined
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
constexpr Index int8_cols = int8_vectors * lanes<float>;

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
template <class Dot, int rows, int vectors, int hands>
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

template <class Dot, int vectors, int... row>
constexpr Int8ByRows<sizeof...(row)> int8_by_rows(std::integer_sequence<int, row...>) {
  return {{int8_sums < Dot, row + 1, vectors, row == 0 ? 4 : row < 3 ? 2 : 1 > ...}};
}

// No panel is fetched ahead: on Zen 4 one row by a panel from the third-level cache comes to 90
// GB/s by the hardware's prefetchers alone, and to 75 with instructions that fetch.
template <class Dot, int most_rows>
void int8_tile(Index words, const std::byte* rows, Index row_bytes, const std::byte* panel, Index m,
               Index n, std::int32_t* sums) {
  using Rows = std::make_integer_sequence<int, most_rows>;
  static constexpr Int8ByRows<most_rows> kernels[2] = {int8_by_rows<Dot, 1>(Rows()),
                                                       int8_by_rows<Dot, 2>(Rows())};
  kernels[n > lanes<float>].kernel[m - 1](words, rows, row_bytes, panel, sums);
}

// ---- what the kernels of every instruction share ----

constexpr float most_quantized = 255.0F;

// The scale and the zero of a row whose values are from `low` to `high`, which are not above and
// not below 0; and what to multiply by to quantize, 0 for a row that is too small to tell from 0.
// Two products, since the difference may overflow.
struct Int8Scaling {
  float scale, inverse, zero;
};
UNITGAIN_INLINE Int8Scaling int8_scaling(float low, float high) {
  constexpr float part = 1 / most_quantized;
  const float scale = high * part - low * part;
  if (scale < 0x1p-120F) return {0, 0, 0};
  if (!(scale < 0x1p122F)) return {__builtin_nanf(""), 0, 0};  // low or high is not finite
  const float inverse = 1.0F / scale;
  return {scale, inverse, -low * inverse};
}

// Rounds what is from -2^22 to 2^22 to the nearest integer, ties to the even one: the last bits of
// the sum's significand are that integer.
constexpr float int8_magic = 0x1.8p23F;

// The nearest integer to x inverse, and zero: within 0 ... 255.
template <class Value>
UNITGAIN_INLINE auto quantized(Vec<float> x, float inverse, float zero) {
  using F = Vec<float>;
  using Narrow [[gnu::vector_size(lanes<float> * sizeof(Value))]] = Value;
#if defined(__AVX512F__)
  // With masks, of all lanes: GCC 12 warns of the intrinsics without.
  constexpr __mmask16 all = 0xffff;
  const __m512i rounded =
      _mm512_maskz_cvtps_epi32(all, std::bit_cast<__m512>((x * F(inverse)).lane));
  const __m512i moved = _mm512_add_epi32(rounded, _mm512_set1_epi32(static_cast<int>(zero)));
  const __m512i positive = _mm512_maskz_max_epi32(all, moved, _mm512_setzero_si512());
  if constexpr (sizeof(Value) == 1) {
    return std::bit_cast<Narrow>(_mm512_maskz_cvtusepi32_epi8(all, positive));
  } else {
    const __m512i most = _mm512_set1_epi32(255);
    return std::bit_cast<Narrow>(
        _mm512_maskz_cvtepi32_epi16(all, _mm512_maskz_min_epi32(all, positive, most)));
  }
#else
  using Wide [[gnu::vector_size(register_bytes)]] = std::uint32_t;
  F q = x * F(inverse) + F(int8_magic) - F(int8_magic - zero);
  q = blend(q > F(0), q, F(0));
  q = blend(q < F(most_quantized), q, F(most_quantized));
  const Wide bits = std::bit_cast<Wide>(q + F(int8_magic)) & 0xffU;
  return __builtin_convertvector(bits, Narrow);
#endif
}

// The lanes' greater ones as integers, which of floats of one sign is that of the greater
// magnitude, NaN being above infinity. By the instruction's name, since GCC 12 makes a comparison
// and a choice.
template <class Bits>
UNITGAIN_INLINE Vec<float> greater_bits(Vec<float> a, Vec<float> b) {
#if defined(__AVX512F__)
  const auto x = std::bit_cast<__m512i>(a.lane), y = std::bit_cast<__m512i>(b.lane);
  if constexpr (static_cast<Bits>(-1) > 0) {
    return std::bit_cast<Vec<float>>(_mm512_maskz_max_epu32(0xffff, x, y));
  } else {
    return std::bit_cast<Vec<float>>(_mm512_maskz_max_epi32(0xffff, x, y));
  }
#else
  using Integers [[gnu::vector_size(register_bytes)]] = Bits;
  const auto x = std::bit_cast<Integers>(a.lane), y = std::bit_cast<Integers>(b.lane);
  return std::bit_cast<Vec<float>>(x > y ? x : y);
#endif
}
template <class Bits>
UNITGAIN_INLINE float greatest_bits(Vec<float> v) {
  return fold(v, [](auto a, auto b) __attribute__((always_inline)) {
    using Integers [[gnu::vector_size(sizeof(a))]] = Bits;
    const auto x = std::bit_cast<Integers>(a), y = std::bit_cast<Integers>(b);
    return std::bit_cast<decltype(a)>(x > y ? x : y);
  });
}

UNITGAIN_INLINE Int8Scaling int8_scaling_of(const float* x, Index depth) {
  constexpr int parts = 4;
  using F = Vec<float>;
  F low[parts], high[parts];
#pragma GCC unroll 4
  for (int i = 0; i < parts; ++i) low[i] = high[i] = 0;
  const auto see = [&](F v, int i) __attribute__((always_inline)) {
#if defined(__x86_64__)
    // Kept in a register: GCC would load it twice, which takes longer than all the rest.
    __asm__("" : "+v"(v.lane));
#endif
    low[i] = greater_bits<std::uint32_t>(v, low[i]);  // negative floats are above all others
    high[i] = greater_bits<std::int32_t>(v, high[i]);
  };
  Index p = 0;
  for (; p + parts * lanes<float> <= depth; p += parts * lanes<float>) {
#pragma GCC unroll 4
    for (int i = 0; i < parts; ++i) see(load(x + p + i * lanes<float>), i);
  }
  for (; p + lanes<float> <= depth; p += lanes<float>) see(load(x + p), 0);
  if (p < depth) see(load_partial(x + p, depth - p), 0);
#pragma GCC unroll 4
  for (int i = 1; i < parts; ++i) {
    low[0] = greater_bits<std::uint32_t>(low[i], low[0]);
    high[0] = greater_bits<std::int32_t>(high[i], high[0]);
  }
  const float lowest = greatest_bits<std::uint32_t>(low[0]);
  const bool is_negative = std::bit_cast<std::int32_t>(lowest) < 0;
  return int8_scaling(is_negative ? lowest : 0, greatest_bits<std::int32_t>(high[0]));
}

// Quantizes to Value, of 8 or 16 bits.
template <class Value>
UNITGAIN_INLINE void quantize_row(const float* x, Index depth, const Int8Scaling& scaling,
                                  float zero, std::byte* words, Index group) {
  using Narrow [[gnu::vector_size(lanes<float> * sizeof(Value))]] = Value;
  auto* to = reinterpret_cast<unsigned char*>(words);
  Index p = 0;
  for (; p + lanes<float> <= depth; p += lanes<float>) {
    const Narrow q = quantized<Value>(load(x + p), scaling.inverse, zero);
    __builtin_memcpy(to + p * sizeof(Value), &q, sizeof q);
  }
  const Index padded = (depth + group - 1) / group * group;
  if (p < padded) {
    Value rest[lanes<float>];
    const Narrow q = quantized<Value>(load_partial(x + p, depth - p), scaling.inverse, zero);
    __builtin_memcpy(rest, &q, sizeof q);
    for (Index i = depth - p; i < padded - p; ++i) rest[i] = 0;
    __builtin_memcpy(to + p * sizeof(Value), rest,
                     static_cast<unsigned long>(padded - p) * sizeof(Value));
  }
}

// A row's values are quantized while the next one's scale is still on its way through the long
// chain of operations across lanes and the division.
template <class Dot>
void int8_quantize(const float* x, Index row_stride, Index m, Index depth, std::byte* words,
                   Index row_bytes, QuantizedRow* rows) {
  if (m == 0) return;
  Int8Scaling next = int8_scaling_of(x, depth);
  for (Index i = 0; i < m; ++i) {
    const Int8Scaling scaling = next;
    if (i + 1 < m) next = int8_scaling_of(x + (i + 1) * row_stride, depth);
    const float zero = scaling.zero + int8_magic - int8_magic;
    rows[i] = {scaling.scale, static_cast<std::int32_t>(zero)};
    quantize_row<typename Dot::Value>(x + i * row_stride, depth, scaling, zero,
                                      words + i * row_bytes, Dot::group);
  }
}

void int8_dequantize(const std::int32_t* sums, const QuantizedRow* rows, const Int8Columns& columns,
                     float* c, Index c_row_stride, Index m, Index n) {
  using Int [[gnu::vector_size(register_bytes)]] = std::int32_t;
  using Float [[gnu::vector_size(register_bytes)]] = float;
  for (Index j = 0; j < n; j += lanes<float>) {
    const Index rest = n - j;
    const bool whole = rest >= lanes<float>;
    const auto read = [&](const float* from) __attribute__((always_inline)) {
      return whole ? load(from + j) : load_partial(from + j, rest);
    };
    const Vec<float> scale = read(columns.scales);
    const Vec<float> bias = columns.bias == nullptr ? Vec<float>(0) : read(columns.bias);
    const Int totals = std::bit_cast<Int>(read(reinterpret_cast<const float*>(columns.sums)));
    for (Index i = 0; i < m; ++i) {
      Int sum;
      __builtin_memcpy(&sum, sums + i * int8_cols + j, sizeof sum);
      if (rows[i].zero != 0) sum -= rows[i].zero * totals;
      Vec<float> value = Vec<float>::of(__builtin_convertvector(sum, Float));
      value = value * scale * Vec<float>(rows[i].scale);
      if (columns.bias != nullptr) value = value + bias;
      if (columns.relu) value = blend(value < Vec<float>(0), Vec<float>(0), value);
      float* to = c + i * c_row_stride + j;
      if (whole) {
        store(value, to);
      } else {
        store_partial(value, to, rest);
      }
    }
  }
}

template <class Dot, int rows>
constexpr Int8GemmKernels int8_kernels(const Int8GemmKernels* by_vnni) {
  return {
      .mr = rows,
      .nr = int8_cols,
      .group = Dot::group,
      .quantize = int8_quantize<Dot>,
      .tile = int8_tile<Dot, rows>,
      .dequantize = int8_dequantize,
      .by_vnni = by_vnni,
  };
}

}  // namespace

}  // namespace unitgain::simd::UNITGAIN_VARIANT
