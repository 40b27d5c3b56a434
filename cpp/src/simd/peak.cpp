// Loops of one instruction each, to measure how fast the CPU executes it: independent chains, more
// than the product of its latency and throughput, and few enough for the registers. x86 has at most
// 2 FMAs a cycle of 5 cycles each (Haswell), ARM 4 of 4 (Neoverse V1).
//
// Inline assembly keeps the compiler from moving out of the loop what does not change in it, and
// gives VDPBF16PS to the avx512 variant, whose flags do not have it.
#include "simd/kernels/peak.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

#if defined(UNITGAIN_TILES)
#include "simd/tiles.hpp"
#endif

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

#if defined(__aarch64__)
constexpr int chains = 24;
#else
constexpr int chains = 12;
#endif

#if defined(__aarch64__)
#define UNITGAIN_REGISTER "w"
#elif defined(__AVX512F__)
#define UNITGAIN_REGISTER "v"
#else
#define UNITGAIN_REGISTER "x"
#endif

template <class T>
using Register [[gnu::vector_size(sizeof(Vec<T>))]] = T;

// The same value, of which the compiler knows nothing; it stays in its register.
template <class T>
UNITGAIN_INLINE Vec<T> opaque(Vec<T> value) {
  auto bits = std::bit_cast<Register<T>>(value);
  __asm__ volatile("" : "+" UNITGAIN_REGISTER(bits));
  return std::bit_cast<Vec<T>>(bits);
}

template <class T>
void multiply_adds(Index steps) {
  Vec<T> a = opaque<T>(T{1}), b = opaque<T>(T{0.5});
  Vec<T> sum[chains];
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) sum[i] = opaque<T>(T{0});
  for (Index step = 0; step < steps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) {
#if !defined(UNITGAIN_FUSED)
      a = opaque<T>(a);  // each product anew, as in a product of matrices
#endif
      sum[i] = opaque<T>(multiply_add<T>(a, b, sum[i]));
    }
  }
}

template <class T>
constexpr PeakLoop multiply_adds_loop = {multiply_adds<T>, 2 * chains * lanes<T>};

#if defined(__AVX512F__)

void dot_products(Index steps) {
  const __m512 pairs = _mm512_castsi512_ps(_mm512_set1_epi16(0x3f80));  // ones, as bfloat16
  __m512 sum[chains];
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) sum[i] = _mm512_setzero_ps();
  for (Index step = 0; step < steps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) {
      __asm__ volatile("vdpbf16ps %1, %1, %0" : "+v"(sum[i]) : "v"(pairs));
    }
  }
}

constexpr PeakLoop dot_products_loop = {dot_products, 4 * chains * 16};

#else

constexpr PeakLoop dot_products_loop = {nullptr, 0};

#endif

#if defined(UNITGAIN_TILES)

// The product of matrices' own pattern: two tiles of A times two of B. A tile multiplication takes
// 16 cycles and its sum is there after 52, so four keep the unit busy.
void tile_products(Index steps) {
  Tiles::configure();
  Tiles tiles;
  tiles.zero<0>();
  tiles.zero<1>();
  tiles.zero<2>();
  tiles.zero<3>();
  tiles.zero<4>();
  tiles.zero<5>();
  tiles.zero<6>();
  tiles.zero<7>();
  for (Index step = 0; step < steps; ++step) {
    tiles.multiply_add<0, 4, 6>();
    tiles.multiply_add<1, 4, 7>();
    tiles.multiply_add<2, 5, 6>();
    tiles.multiply_add<3, 5, 7>();
  }
  Tiles::release();
}

constexpr PeakLoop tile_products_loop = {tile_products, 4 * 16 * 16 * 32 * 2};

#else

constexpr PeakLoop tile_products_loop = {nullptr, 0};

#endif

// Whole vectors of the array, in eight sums.
float read(const float* x, Index n) {
  constexpr int sums = 8;
  Vec<float> sum[sums];
#pragma GCC unroll 8
  for (int v = 0; v < sums; ++v) sum[v] = 0.0f;
  for (Index i = 0; i + sums * lanes<float> <= n; i += sums * lanes<float>) {
#pragma GCC unroll 8
    for (int v = 0; v < sums; ++v) sum[v] += load(x + i + v * lanes<float>);
  }
#pragma GCC unroll 8
  for (int v = 1; v < sums; ++v) sum[0] += sum[v];
  return opaque<float>(sum[0])[0];  // all lanes are wanted, for all the compiler knows
}

}  // namespace

constinit const PeakKernels peak = {
    .multiply_adds_f32 = multiply_adds_loop<float>,
    .multiply_adds_f64 = multiply_adds_loop<double>,
    .dot_products = dot_products_loop,
    .tile_products = tile_products_loop,
    .read = read,
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
