// Partial loads and stores, multiply-add, and the loop over vectors. For sources in simd/ only.
#pragma once

#include "simd/intrinsics.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// Not the standard library's, which the linker may share among variants.
UNITGAIN_INLINE constexpr Index lesser(Index a, Index b) {
  return a < b ? a : b;
}
UNITGAIN_INLINE constexpr Index greater(Index a, Index b) {
  return a > b ? a : b;
}

// The first n lanes from memory, zero in the others; no byte beyond them is touched. 0 <= n <
// lanes.
template <class T>
UNITGAIN_INLINE Vec<T> load_partial(const T* p, Index n) {
#if defined(__AVX2__)
  return load_where(lane_index<T>() < static_cast<T>(n), p);
#else
  // Without masked loads a short copy through the stack is faster than lane-by-lane inserts.
  alignas(Vec<T>) T lane[lanes<T>] = {};
  for (Index i = 0; i < n; ++i) lane[i] = p[i];
  return load(lane);
#endif
}

template <class T>
UNITGAIN_INLINE void store_partial(Vec<T> v, T* p, Index n) {
#if defined(__AVX512F__)
  store_where(lane_index<T>() < static_cast<T>(n), v, p);
#elif defined(__AVX2__)
  store_halves(v, p, n);
#else
  alignas(Vec<T>) T lane[lanes<T>];
  store(v, lane);
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
