// Transposes of small blocks in registers, for packing. For sources in simd/ only.
#pragma once

#include <utility>

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// The compiler's vector type.
template <class T>
using NativeVector [[gnu::vector_size(sizeof(Vec<T>))]] = T;

// Lanes of a, and after them those of b, by number.
template <class T, int... lane>
UNITGAIN_INLINE NativeVector<T> shuffle(NativeVector<T> a, NativeVector<T> b) {
#if __has_builtin(__builtin_shufflevector)
  return __builtin_shufflevector(a, b, lane...);
#else  // GCC 11
  using Numbers [[gnu::vector_size(sizeof(Vec<T>))]] =
      std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  return __builtin_shuffle(a, b, Numbers{lane...});
#endif
}

// One stage of the butterfly: exchanges the blocks of `distance` lanes off the diagonal between
// rows i and i + distance. After the stages 1, 2, 4, ... lanes / 2 the block is transposed.
template <class T, int distance, int... lane>
UNITGAIN_INLINE void exchange(NativeVector<T>& upper, NativeVector<T>& lower,
                              std::integer_sequence<int, lane...>) {
  constexpr int size = sizeof...(lane);
  const NativeVector<T> a = upper, b = lower;
  upper = shuffle<T, ((lane & distance) ? size + lane - distance : lane)...>(a, b);
  lower = shuffle<T, ((lane & distance) ? size + lane : lane + distance)...>(a, b);
}

template <class T, int distance>
UNITGAIN_INLINE void transpose_stage(NativeVector<T>* rows) {
  constexpr int size = static_cast<int>(lanes<T>);
  if constexpr (distance < size) {
#pragma GCC unroll 16
    for (int i = 0; i < size; ++i) {
      if ((i & distance) == 0) {
        exchange<T, distance>(rows[i], rows[i + distance], std::make_integer_sequence<int, size>());
      }
    }
    transpose_stage<T, 2 * distance>(rows);
  }
}

// Transposes the lanes x lanes block whose rows are `rows`.
template <class T>
UNITGAIN_INLINE void transpose(NativeVector<T>* rows) {
  transpose_stage<T, 1>(rows);
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
