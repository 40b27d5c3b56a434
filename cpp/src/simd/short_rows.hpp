// Rows shorter than a vector, as many at a time as a vector has lanes: transposed, a row is a lane,
// and what is summed or compared along it needs no shuffle. For sources in simd/ only.
#pragma once

#include "simd/transpose.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

template <class T>
struct ShortRows {
  Vec<T> column[lanes<T>];

  // `count` rows of `cols` elements, both at most the number of lanes; zero in the other lanes.
  UNITGAIN_INLINE void load_from(const T* rows, Index count, Index cols) {
    NativeVector<T> block[lanes<T>];
    for (Index i = 0; i < lanes<T>; ++i) {
      block[i] = std::bit_cast<NativeVector<T>>(
          i >= count
              ? Vec<T>(T{0})
              : (cols == lanes<T> ? load(rows + i * cols) : load_partial(rows + i * cols, cols)));
    }
    transpose<T>(block);
    for (Index k = 0; k < lanes<T>; ++k) column[k] = std::bit_cast<Vec<T>>(block[k]);
  }

  UNITGAIN_INLINE void store_to(T* rows, Index count, Index cols) const {
    NativeVector<T> block[lanes<T>];
    for (Index k = 0; k < lanes<T>; ++k) block[k] = std::bit_cast<NativeVector<T>>(column[k]);
    transpose<T>(block);
    for (Index i = 0; i < count; ++i) {
      const auto row = std::bit_cast<Vec<T>>(block[i]);
      if (cols == lanes<T>) {
        store(row, rows + i * cols);
      } else {
        store_partial(row, rows + i * cols, cols);
      }
    }
  }
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
