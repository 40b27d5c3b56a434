// The vector type and the few operations on it that the standard library's does not give, or gives
// as scalar calls on some variant. For sources in simd/ only.
#pragma once

#include <bit>
#include <cstdint>
#include <experimental/simd>

#include "simd/intrinsics.hpp"
#include "simd/kernels.hpp"

#define UNITGAIN_INLINE [[gnu::always_inline]] inline

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace stdx = std::experimental;

template <class T>
using Vec = stdx::native_simd<T>;
template <class T>
inline constexpr Index lanes = static_cast<Index>(Vec<T>::size());

template <class T>
UNITGAIN_INLINE Vec<T> load(const T* p) {
  return Vec<T>(p, stdx::element_aligned);
}

template <class T>
UNITGAIN_INLINE void store(Vec<T> v, T* p) {
  v.copy_to(p, stdx::element_aligned);
}

// 0, 1, 2, ... across the lanes.
template <class T>
UNITGAIN_INLINE Vec<T> lane_index() {
  return Vec<T>([](auto i) { return static_cast<T>(static_cast<int>(i)); });
}

// The first n lanes from memory, zero in the others; no byte beyond them is touched. 0 <= n <
// lanes.
template <class T>
UNITGAIN_INLINE Vec<T> load_partial(const T* p, Index n) {
#if defined(__AVX__)
  Vec<T> v = 0;
  stdx::where(lane_index<T>() < static_cast<T>(n), v).copy_from(p, stdx::element_aligned);
  return v;
#else
  // Without masked loads a short copy through the stack is faster than lane-by-lane inserts.
  alignas(Vec<T>) T lane[lanes<T>] = {};
  for (Index i = 0; i < n; ++i) lane[i] = p[i];
  return Vec<T>(lane, stdx::vector_aligned);
#endif
}

template <class T>
UNITGAIN_INLINE void store_partial(Vec<T> v, T* p, Index n) {
#if defined(__AVX__)
  stdx::where(lane_index<T>() < static_cast<T>(n), v).copy_to(p, stdx::element_aligned);
#else
  // SSE's masked store (maskmovdqu) bypasses the cache and takes hundreds of cycles.
  alignas(Vec<T>) T lane[lanes<T>];
  v.copy_to(lane, stdx::vector_aligned);
  for (Index i = 0; i < n; ++i) p[i] = lane[i];
#endif
}

// a * b + c: one rounding where the variant has a fused instruction, two where it has not (there
// std::fma is a library call for each lane).
template <class T>
UNITGAIN_INLINE Vec<T> multiply_add(Vec<T> a, Vec<T> b, Vec<T> c) {
#if defined(UNITGAIN_FUSED)
  return fused(a, b, c);
#else
  return a * b + c;
#endif
}

// Calls body(load, store) for each full vector of [0, n) and once for the rest, so that no loop
// over memory needs a second, scalar copy of its body. The body calls load(p) and store(v, p) with
// pointers to the whole arrays' first elements.
template <class T, class Body>
UNITGAIN_INLINE void for_each_vector(Index n, Body&& body) {
  Index i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    body([i](const T* p) __attribute__((always_inline)) { return load(p + i); },
         [i](Vec<T> v, T* p) __attribute__((always_inline)) { store(v, p + i); });
  }
  if (const Index rest = n - i; rest > 0) {
    body([i, rest](const T* p) __attribute__((always_inline)) { return load_partial(p + i, rest); },
         [i, rest](Vec<T> v, T* p)
             __attribute__((always_inline)) { store_partial(v, p + i, rest); });
  }
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
