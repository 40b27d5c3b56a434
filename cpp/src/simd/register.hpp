// Vec<T>: a vector register of T, and Mask<T>: a truth value for each of its lanes. T is float,
// double, std::uint32_t or std::uint64_t (which have no comparisons). For sources in simd/ only.
//
// A thin layer over the vector types of GCC and Clang: one function of one expression for each
// operation. The standard library's std::experimental::simd reads the same, but an operation there
// is five to ten functions, whose inlining took two thirds of the compilation; and libstdc++ alone
// has it.
#pragma once

#include <bit>
#include <cstdint>

#include "unitgain/types.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define UNITGAIN_INLINE [[gnu::always_inline]] inline

namespace unitgain::simd::UNITGAIN_VARIANT {

#if defined(__AVX512F__)
inline constexpr Index register_bytes = 64;
#elif defined(__AVX2__)
inline constexpr Index register_bytes = 32;
#else
inline constexpr Index register_bytes = 16;
#endif

template <class T>
inline constexpr Index lanes = register_bytes / Index{sizeof(T)};

template <class T>
struct Vec;

// AVX-512's mask register; elsewhere a register whose lanes have all bits set, or none.
template <class T>
struct Mask {
  using Register [[gnu::vector_size(register_bytes)]] = T;
#if defined(__AVX512F__)
  using Bits = decltype(_cvtu32_mask16(0));
  static constexpr unsigned every = (1u << lanes<T>)-1;
#else
  using Bits = decltype(Register{} == Register{});
#endif
  Bits bits;

  Mask() = default;
  UNITGAIN_INLINE explicit Mask(bool all) {
#if defined(__AVX512F__)
    bits = static_cast<Bits>(all ? every : 0);
#else
    bits = Bits{} - (all ? 1 : 0);
#endif
  }
  UNITGAIN_INLINE static Mask of(Bits bits) {
    Mask mask;
    mask.bits = bits;
    return mask;
  }

  UNITGAIN_INLINE friend Mask operator!(Mask a) {
#if defined(__AVX512F__)
    return of(static_cast<Bits>(a.bits ^ every));
#else
    return of(~a.bits);
#endif
  }
  UNITGAIN_INLINE friend Mask operator&&(Mask a, Mask b) {
    return of(static_cast<Bits>(a.bits & b.bits));
  }
  UNITGAIN_INLINE friend Mask operator||(Mask a, Mask b) {
    return of(static_cast<Bits>(a.bits | b.bits));
  }
};

template <class T>
struct Vec {
  using Register [[gnu::vector_size(register_bytes)]] = T;
  Register lane;

  Vec() = default;
  // The same value in each lane. An int, as a constant may be written, but not a double for a
  // float.
  template <class U>
    requires(__is_same(U, T) || __is_same(U, int))
  UNITGAIN_INLINE Vec(U value) : lane(static_cast<T>(value) - Register{}) {}
  UNITGAIN_INLINE static Vec of(Register lane) {
    Vec v;
    v.lane = lane;
    return v;
  }

  // Of a copy, since what is indexed by a variable lives in memory.
  UNITGAIN_INLINE T operator[](Index i) const {
    const Register copy = lane;
    return copy[i];
  }

  UNITGAIN_INLINE friend Vec operator-(Vec a) { return of(-a.lane); }
  UNITGAIN_INLINE friend Vec operator+(Vec a, Vec b) { return of(a.lane + b.lane); }
  UNITGAIN_INLINE friend Vec operator-(Vec a, Vec b) { return of(a.lane - b.lane); }
  UNITGAIN_INLINE friend Vec operator*(Vec a, Vec b) { return of(a.lane * b.lane); }
  UNITGAIN_INLINE friend Vec operator/(Vec a, Vec b) { return of(a.lane / b.lane); }
  UNITGAIN_INLINE friend Vec operator&(Vec a, Vec b) { return of(a.lane & b.lane); }
  UNITGAIN_INLINE friend Vec operator|(Vec a, Vec b) { return of(a.lane | b.lane); }
  UNITGAIN_INLINE friend Vec operator^(Vec a, Vec b) { return of(a.lane ^ b.lane); }
  UNITGAIN_INLINE friend Vec operator<<(Vec a, int bits) { return of(a.lane << bits); }
  UNITGAIN_INLINE friend Vec operator>>(Vec a, int bits) { return of(a.lane >> bits); }
  UNITGAIN_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
  UNITGAIN_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
  UNITGAIN_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }
  UNITGAIN_INLINE Vec& operator/=(Vec b) { return *this = *this / b; }

#if defined(__AVX512F__)
  template <int predicate>
  UNITGAIN_INLINE static Mask<T> compare(Vec a, Vec b) {
    if constexpr (sizeof(T) == sizeof(float)) {
      return Mask<T>::of(_mm512_cmp_ps_mask(a.lane, b.lane, predicate));
    } else {
      return Mask<T>::of(_mm512_cmp_pd_mask(a.lane, b.lane, predicate));
    }
  }
  UNITGAIN_INLINE friend Mask<T> operator<(Vec a, Vec b) { return compare<_CMP_LT_OQ>(a, b); }
  UNITGAIN_INLINE friend Mask<T> operator<=(Vec a, Vec b) { return compare<_CMP_LE_OQ>(a, b); }
  UNITGAIN_INLINE friend Mask<T> operator==(Vec a, Vec b) { return compare<_CMP_EQ_OQ>(a, b); }
  UNITGAIN_INLINE friend Mask<T> operator!=(Vec a, Vec b) { return compare<_CMP_NEQ_UQ>(a, b); }
#else
  UNITGAIN_INLINE friend Mask<T> operator<(Vec a, Vec b) { return Mask<T>::of(a.lane < b.lane); }
  UNITGAIN_INLINE friend Mask<T> operator<=(Vec a, Vec b) { return Mask<T>::of(a.lane <= b.lane); }
  UNITGAIN_INLINE friend Mask<T> operator==(Vec a, Vec b) { return Mask<T>::of(a.lane == b.lane); }
  UNITGAIN_INLINE friend Mask<T> operator!=(Vec a, Vec b) { return Mask<T>::of(a.lane != b.lane); }
#endif
  UNITGAIN_INLINE friend Mask<T> operator>(Vec a, Vec b) { return b < a; }
  UNITGAIN_INLINE friend Mask<T> operator>=(Vec a, Vec b) { return b <= a; }
};

// ---- choosing lanes ----

// mask ? yes : no, lane by lane. By the instruction's name, since GCC would compare the mask with
// zero first.
template <class T>
UNITGAIN_INLINE Vec<T> blend(Mask<T> mask, Vec<T> yes, Vec<T> no) {
  [[maybe_unused]] constexpr bool single = sizeof(T) == sizeof(float);
#if defined(__AVX512F__)
  if constexpr (single) {
    return Vec<T>::of(_mm512_mask_mov_ps(no.lane, mask.bits, yes.lane));
  } else {
    return Vec<T>::of(_mm512_mask_mov_pd(no.lane, static_cast<__mmask8>(mask.bits), yes.lane));
  }
#elif defined(__AVX2__)
  if constexpr (single) {
    return Vec<T>::of(_mm256_blendv_ps(no.lane, yes.lane, std::bit_cast<__m256>(mask.bits)));
  } else {
    return Vec<T>::of(_mm256_blendv_pd(no.lane, yes.lane, std::bit_cast<__m256d>(mask.bits)));
  }
#elif defined(__x86_64__)
  if constexpr (single) {
    return Vec<T>::of(_mm_blendv_ps(no.lane, yes.lane, std::bit_cast<__m128>(mask.bits)));
  } else {
    return Vec<T>::of(_mm_blendv_pd(no.lane, yes.lane, std::bit_cast<__m128d>(mask.bits)));
  }
#else
  using Bits = typename Mask<T>::Bits;
  return std::bit_cast<Vec<T>>((std::bit_cast<Bits>(yes) & mask.bits) |
                               (std::bit_cast<Bits>(no) & ~mask.bits));
#endif
}

// where(mask, x) = y changes the lanes of x of which the mask says yes.
template <class T>
struct Where {
  Mask<T> mask;
  Vec<T>& value;

  UNITGAIN_INLINE void operator=(Vec<T> other) const { value = blend(mask, other, value); }
  UNITGAIN_INLINE void operator*=(Vec<T> factor) const { *this = value * factor; }
};

template <class T>
UNITGAIN_INLINE Where<T> where(Mask<T> mask, Vec<T>& value) {
  return {mask, value};
}

// One bit for each lane, the first one lowest.
template <class T>
UNITGAIN_INLINE unsigned lane_bits(Mask<T> mask) {
#if defined(__AVX512F__)
  return mask.bits;
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == sizeof(float)) {
    return static_cast<unsigned>(_mm256_movemask_ps(std::bit_cast<__m256>(mask.bits)));
  } else {
    return static_cast<unsigned>(_mm256_movemask_pd(std::bit_cast<__m256d>(mask.bits)));
  }
#elif defined(__x86_64__)
  if constexpr (sizeof(T) == sizeof(float)) {
    return static_cast<unsigned>(_mm_movemask_ps(std::bit_cast<__m128>(mask.bits)));
  } else {
    return static_cast<unsigned>(_mm_movemask_pd(std::bit_cast<__m128d>(mask.bits)));
  }
#else
  // Each lane keeps its own bit of all its bits.
  if constexpr (sizeof(T) == sizeof(float)) {
    constexpr uint32x4_t bit = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(std::bit_cast<uint32x4_t>(mask.bits), bit));
  } else {
    constexpr uint64x2_t bit = {1, 2};
    return static_cast<unsigned>(vaddvq_u64(vandq_u64(std::bit_cast<uint64x2_t>(mask.bits), bit)));
  }
#endif
}

template <class T>
UNITGAIN_INLINE bool any_of(Mask<T> mask) {
  return lane_bits(mask) != 0;
}
template <class T>
UNITGAIN_INLINE bool none_of(Mask<T> mask) {
  return lane_bits(mask) == 0;
}
template <class T>
UNITGAIN_INLINE bool all_of(Mask<T> mask) {
  return lane_bits(mask) == (1u << lanes<T>)-1;
}
// Of a mask that says yes somewhere.
template <class T>
UNITGAIN_INLINE int find_first_set(Mask<T> mask) {
  return __builtin_ctz(lane_bits(mask));
}

// ---- memory ----

template <class T>
UNITGAIN_INLINE Vec<T> load(const T* p) {
  using Unaligned [[gnu::vector_size(register_bytes), gnu::aligned(alignof(T)), gnu::may_alias]] =
      T;
  return Vec<T>::of(*reinterpret_cast<const Unaligned*>(p));
}

template <class T>
UNITGAIN_INLINE void store(Vec<T> v, T* p) {
  using Unaligned [[gnu::vector_size(register_bytes), gnu::aligned(alignof(T)), gnu::may_alias]] =
      T;
  *reinterpret_cast<Unaligned*>(p) = v.lane;
}

#if defined(__AVX2__)

// Zero where the mask says no, of which no byte is touched.
template <class T>
UNITGAIN_INLINE Vec<T> load_where(Mask<T> mask, const T* p) {
  constexpr bool single = sizeof(T) == sizeof(float);
#if defined(__AVX512F__)
  if constexpr (single) {
    return Vec<T>::of(_mm512_maskz_loadu_ps(mask.bits, p));
  } else {
    return Vec<T>::of(_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask.bits), p));
  }
#else
  const auto bits = std::bit_cast<__m256i>(mask.bits);
  if constexpr (single) {
    return Vec<T>::of(_mm256_maskload_ps(p, bits));
  } else {
    return Vec<T>::of(_mm256_maskload_pd(p, bits));
  }
#endif
}

#endif

template <class T>
UNITGAIN_INLINE void store_where(Mask<T> mask, Vec<T> v, T* p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) {
    _mm512_mask_storeu_ps(p, mask.bits, v.lane);
  } else {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask.bits), v.lane);
  }
#elif defined(__AVX2__)
  const auto bits = std::bit_cast<__m256i>(mask.bits);
  if constexpr (sizeof(T) == sizeof(float)) {
    _mm256_maskstore_ps(p, bits, v.lane);
  } else {
    _mm256_maskstore_pd(p, bits, v.lane);
  }
#else
  // SSE's masked store (maskmovdqu) bypasses the cache and takes hundreds of cycles.
  for (unsigned left = lane_bits(mask); left != 0; left &= left - 1) {
    const int i = __builtin_ctz(left);
    p[i] = v.lane[i];
  }
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// The first n lanes by plain stores of half as many lanes each: on AMD's CPUs with AVX2 a masked
// store takes as long as a dozen of them (18 instructions inside; Agner Fog's tables).
template <class T>
UNITGAIN_INLINE void store_halves(Vec<T> v, T* p, Index n) {
  if (n >= lanes<T>) return store(v, p);
  __m128d rest = _mm256_castpd256_pd128(std::bit_cast<__m256d>(v.lane));
  if (n >= lanes<T> / 2) {
    _mm_storeu_pd(reinterpret_cast<double*>(p), rest);
    rest = _mm256_extractf128_pd(std::bit_cast<__m256d>(v.lane), 1);
    p += lanes<T> / 2;
    n -= lanes<T> / 2;
  }
  if constexpr (sizeof(T) == sizeof(double)) {
    if (n > 0) _mm_storel_pd(p, rest);
  } else {
    if (n >= 2) {
      _mm_storel_pd(reinterpret_cast<double*>(p), rest);
      rest = _mm_unpackhi_pd(rest, rest);
      p += 2;
      n -= 2;
    }
    if (n > 0) _mm_store_ss(p, _mm_castpd_ps(rest));
  }
}
#endif

// ---- across lanes ----

// 0, 1, 2, ... across the lanes.
template <class T>
UNITGAIN_INLINE Vec<T> lane_index() {
  using Register = typename Vec<T>::Register;
  if constexpr (lanes<T> == 16) {
    return Vec<T>::of(Register{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  } else if constexpr (lanes<T> == 8) {
    return Vec<T>::of(Register{0, 1, 2, 3, 4, 5, 6, 7});
  } else if constexpr (lanes<T> == 4) {
    return Vec<T>::of(Register{0, 1, 2, 3});
  } else {
    return Vec<T>::of(Register{0, 1});
  }
}

#if defined(__AVX512F__)

template <int half>
UNITGAIN_INLINE auto half_of(__m512 v) {
  using Half [[gnu::vector_size(32)]] = float;
  return static_cast<Half>(
      _mm512_maskz_extractf32x8_ps(0xff, v, half));  // GCC 12 warns of the one without a mask
}
template <int half>
UNITGAIN_INLINE auto half_of(__m512d v) {
  using Half [[gnu::vector_size(32)]] = double;
  return static_cast<Half>(_mm512_maskz_extractf64x4_pd(0xf, v, half));
}

#endif
#if defined(__AVX2__)

template <int half>
UNITGAIN_INLINE auto half_of(__m256 v) {
  using Half [[gnu::vector_size(16)]] = float;
  return static_cast<Half>(_mm256_extractf128_ps(v, half));
}
template <int half>
UNITGAIN_INLINE auto half_of(__m256d v) {
  using Half [[gnu::vector_size(16)]] = double;
  return static_cast<Half>(_mm256_extractf128_pd(v, half));
}

#endif

// Combines the lanes in a tree: the halves first, then the four or two lanes left from both ends.
template <class T, class Combine>
UNITGAIN_INLINE T fold(Vec<T> v, Combine combine) {
  using Quarter [[gnu::vector_size(16)]] = T;
  Quarter rest;
#if defined(__AVX512F__)
  const auto half = combine(half_of<0>(v.lane), half_of<1>(v.lane));
  rest = combine(half_of<0>(half), half_of<1>(half));
#elif defined(__AVX2__)
  rest = combine(half_of<0>(v.lane), half_of<1>(v.lane));
#else
  rest = v.lane;
#endif
  if constexpr (sizeof(T) == sizeof(float)) {
    rest = combine(rest, Quarter{rest[3], rest[2], rest[1], rest[0]});
    rest = combine(rest, Quarter{rest[2], rest[3], rest[2], rest[3]});
  } else {
    rest = combine(rest, Quarter{rest[1], rest[1]});
  }
  return rest[0];
}

template <class T>
UNITGAIN_INLINE T reduce(Vec<T> v) {
  return fold(v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
}
template <class T>
UNITGAIN_INLINE T hmax(Vec<T> v) {
  return fold(v, [](auto a, auto b) __attribute__((always_inline)) { return a > b ? a : b; });
}
template <class T>
UNITGAIN_INLINE T hmin(Vec<T> v) {
  return fold(v, [](auto a, auto b) __attribute__((always_inline)) { return a < b ? a : b; });
}

template <class T>
UNITGAIN_INLINE Vec<T> abs(Vec<T> v) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return std::bit_cast<Vec<T>>(std::bit_cast<Vec<std::uint32_t>>(v) & 0x7fffffffu);
  } else {
    return std::bit_cast<Vec<T>>(std::bit_cast<Vec<std::uint64_t>>(v) & (~std::uint64_t{0} >> 1));
  }
}
// a > b ? a : b. By its name on AVX-512, where GCC makes a comparison and a blend of it.
template <class T>
UNITGAIN_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) {
    return Vec<T>::of(_mm512_maskz_max_ps(0xffff, a.lane, b.lane));
  } else {
    return Vec<T>::of(_mm512_maskz_max_pd(0xff, a.lane, b.lane));
  }
#else
  return Vec<T>::of(a.lane > b.lane ? a.lane : b.lane);
#endif
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
