// The nearest centres by VPDPWSSD, which multiplies twice as many 16-bit integers as there are
// floats in an instruction of FMA; for CPUs with AVX512_VNNI.
//
// Assumptions:
// - a tile is 48 samples, in lanes, x 8 centres: 24 accumulators, three vectors of samples and one
//   broadcast pair of a centre's values leave four registers;
// - no sum overflows: by Cauchy and Schwarz it is at most the product of the norms, see
//   cluster/screen.cpp.
#include "simd/screen.hpp"

#include "simd/kernels/cluster.hpp"
#include "simd/variant.hpp"

#if defined(__AVX512F__) && !defined(UNITGAIN_TILES)

#include <immintrin.h>

#include "simd/math.hpp"
#include "simd/transpose.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

constexpr Index lanes_of_samples = 16;
constexpr int most_vectors = static_cast<int>(screen_rows / lanes_of_samples);
constexpr int centers_at_a_time = static_cast<int>(screen_panel);

// Adding and subtracting it rounds to an integer, of values up to 2^22.
template <class T>
constexpr T to_integer = T(3) * static_cast<T>(Index{1} << (Format<T>::fraction_bits - 1));

// Values, norms and errors are sums of at most most_screened squares and rounded a few times.
constexpr float upward = 1.0001F;
// Squares of smaller values are 0.
constexpr float least_error = 1e-17F;
// Of a norm: the rounding of the values that integers give.
constexpr float product_rounding = 2.5e-7F;

template <class T>
void quantize(const T* x, Index row_stride, const T* shift, Index rows, Index cols, float most_norm,
              std::int16_t* to, Index to_stride, float* scales, float* norms, float* errors) {
  constexpr T most_value = 32000;
  alignas(64) T centered[most_screened];
  for (Index i = 0; i < rows; ++i, x += row_stride, to += to_stride) {
    Vec<T> sum = T{0}, largest = T{0};
    for_each_vector<T>(cols, [&](auto get, auto put) __attribute__((always_inline)) {
      const Vec<T> v = get(x) - get(shift);
      put(v, centered);
      sum = multiply_add<T>(v, v, sum);
      largest = max<T>(max<T>(v, T{0} - v), largest);
    });
    const T most = hmax<T>(largest);
    const auto norm = static_cast<float>(__builtin_sqrt(static_cast<double>(reduce(sum))));
    const float by_norm = norm / most_norm, by_value = static_cast<float>(most / most_value);
    const float scale = by_norm > by_value ? by_norm : by_value;
    const float inverse = 1 / scale;
    // Zeros, and values so small or large that nothing is known of them.
    const bool is_usable = scale > 0 && inverse > 0 && inverse < Format<float>::infinity;
    const T factor = is_usable ? static_cast<T>(inverse) : T{0};
    const T back = is_usable ? static_cast<T>(scale) : T{0};
    sum = T{0};
    for_each_vector<T>(cols, [&](auto get, auto put) __attribute__((always_inline)) {
      const Vec<T> v = get(centered);
      const Vec<T> rounded = (v * factor + to_integer<T>)-to_integer<T>;
      const Vec<T> rest = v - rounded * back;
      put(rounded, centered);
      sum = multiply_add<T>(rest, rest, sum);
    });
    for (Index j = 0; j < cols; ++j) to[j] = static_cast<std::int16_t>(centered[j]);
    for (Index j = cols; j < to_stride; ++j) to[j] = 0;
    scales[i] = is_usable ? scale : 0;
    norms[i] = norm;
    errors[i] = static_cast<float>(__builtin_sqrt(static_cast<double>(reduce(sum)))) * upward +
                norm * product_rounding + least_error;
  }
}

UNITGAIN_INLINE __mmask16 first_lanes(Index n) {
  return static_cast<__mmask16>((1u << n) - 1);
}

// Samples to lanes: of each pair of columns, the pairs of 16 samples. Behind the last, the last.
UNITGAIN_INLINE void load_lanes(const std::int16_t* x, Index x_stride, const std::int32_t* order,
                                Index first, Index rows, Index end, Index pairs,
                                std::int32_t* panel, Index step) {
  for (Index p = 0; p < pairs; p += lanes_of_samples) {
    NativeVector<float> block[lanes_of_samples];
#pragma GCC unroll 16
    for (Index i = 0; i < lanes_of_samples; ++i) {
      const Index place = first + lesser(i, rows - 1);
      const Index row = order == nullptr ? place : order[place];
      if (order != nullptr && place + screen_rows < end) {
        __builtin_prefetch(x + order[place + screen_rows] * x_stride + 2 * p);
      }
      block[i] = std::bit_cast<NativeVector<float>>(_mm512_loadu_si512(x + row * x_stride + 2 * p));
    }
    transpose<float>(block);
#pragma GCC unroll 16
    for (Index q = 0; q < lanes_of_samples; ++q) {
      _mm512_store_si512(panel + (p + q) * step, std::bit_cast<__m512i>(block[q]));
    }
  }
}

// sum += the products of pairs. As an instruction, since GCC 12 copies every accumulator before the
// intrinsic and keeps a second copy in memory: a third of the speed.
UNITGAIN_INLINE void add_pairs(__m512i a, __m512i b, __m512i& sum) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

struct LeastOfLanes {
  __m512 least, second;
  __m512i place;
};

// Lets the samples of some vectors meet a panel of centres.
template <int vectors>
void meet(const std::int32_t* panel, const std::int32_t* centers, Index pairs, const float* scales,
          const float* offsets, const float* steps, std::int32_t first, LeastOfLanes* found) {
  constexpr Index step = vectors * lanes_of_samples;
  __m512i sum[centers_at_a_time][vectors];
#pragma GCC unroll 8
  for (int j = 0; j < centers_at_a_time; ++j) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) sum[j][v] = _mm512_setzero_si512();
  }
  for (Index p = 0; p < pairs; ++p, panel += step, centers += centers_at_a_time) {
    __m512i x[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) x[v] = _mm512_load_si512(panel + v * lanes_of_samples);
#pragma GCC unroll 8
    for (int j = 0; j < centers_at_a_time; ++j) {
      const __m512i pair = _mm512_set1_epi32(centers[j]);
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) add_pairs(x[v], pair, sum[j][v]);
    }
  }
#pragma GCC unroll 3
  for (int v = 0; v < vectors; ++v) {
    const __m512 scale = _mm512_loadu_ps(scales + v * lanes_of_samples);
    LeastOfLanes seen = found[v];
#pragma GCC unroll 8
    for (int j = 0; j < centers_at_a_time; ++j) {
      const __m512 product = _mm512_maskz_cvtepi32_ps(0xffff, sum[j][v]);
      const __m512 value =
          _mm512_fmadd_ps(product, scale * _mm512_set1_ps(steps[j]), _mm512_set1_ps(offsets[j]));
      const __mmask16 less = _mm512_cmp_ps_mask(value, seen.least, _CMP_LT_OQ);
      seen.place = _mm512_mask_mov_epi32(seen.place, less, _mm512_set1_epi32(first + j));
      seen.second =
          _mm512_maskz_min_ps(0xffff, _mm512_maskz_max_ps(0xffff, value, seen.least), seen.second);
      seen.least = _mm512_maskz_min_ps(0xffff, value, seen.least);
    }
    found[v] = seen;
  }
}

template <int vectors>
void find_nearest(const std::int16_t* x, Index x_stride, const std::int32_t* order, Index first,
                  Index rows, Index end, Index cols, const float* all_scales,
                  const ScreenCenters& centers, std::int32_t* panel, std::int32_t* labels,
                  float* values, float* seconds) {
  constexpr Index step = vectors * lanes_of_samples;
  const Index pairs = (cols + 1) / 2;
  alignas(64) float scales[step];
  LeastOfLanes found[vectors];
  for (int v = 0; v < vectors; ++v) {
    const Index begin = v * lanes_of_samples, count = lesser(rows - begin, lanes_of_samples);
    load_lanes(x, x_stride, order, first + begin, count, end, pairs, panel + begin, step);
    _mm512_store_ps(scales + begin,
                    _mm512_maskz_loadu_ps(first_lanes(count), all_scales + first + begin));
    const __m512 infinity = _mm512_set1_ps(Format<float>::infinity);
    found[v] = {infinity, infinity, _mm512_setzero_si512()};
  }
  for (Index j = 0; j < centers.clusters; j += screen_panel) {
    meet<vectors>(panel, centers.panels + j * pairs, pairs, scales, centers.offsets + j,
                  centers.steps + j, static_cast<std::int32_t>(j), found);
  }
  for (int v = 0; v < vectors; ++v) {
    const Index begin = v * lanes_of_samples, count = lesser(rows - begin, lanes_of_samples);
    const __mmask16 kept = first_lanes(count);
    _mm512_mask_storeu_epi32(labels + first + begin, kept, found[v].place);
    _mm512_mask_storeu_ps(values + first + begin, kept, found[v].least);
    _mm512_mask_storeu_ps(seconds + first + begin, kept, found[v].second);
  }
}

void nearest_two(const std::int16_t* x, Index x_stride, const std::int32_t* order, Index rows,
                 Index cols, const float* scales, const ScreenCenters& centers, std::int32_t* panel,
                 std::int32_t* labels, float* values, float* seconds) {
  for (Index first = 0; first < rows; first += screen_rows) {
    const Index count = lesser(screen_rows, rows - first);
    const auto find = count > 2 * lanes_of_samples ? find_nearest<most_vectors>
                      : count > lanes_of_samples   ? find_nearest<2>
                                                   : find_nearest<1>;
    find(x, x_stride, order, first, count, rows, cols, scales, centers, panel, labels, values,
         seconds);
  }
}

}  // namespace

constinit const ScreenKernels<float> screen_f32 = {quantize<float>, nearest_two};
constinit const ScreenKernels<double> screen_f64 = {quantize<double>, nearest_two};

}  // namespace unitgain::simd::UNITGAIN_VARIANT

#endif
