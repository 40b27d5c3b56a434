// Passes down the columns of a matrix, some vectors of neighbouring columns at a time. For sources
// in simd/ only.
#pragma once

#include "simd/sum.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// `vectors` whole vectors of neighbouring columns.
template <class T, int vectors>
struct WholeColumns {
  static constexpr int count = vectors;
  Index first;
  UNITGAIN_INLINE Vec<T> get(const T* row, int v) const { return load(row + first + v * lanes<T>); }
  UNITGAIN_INLINE void put(Vec<T> value, T* row, int v) const {
    store(value, row + first + v * lanes<T>);
  }
};

// The last columns, fewer than a vector.
template <class T>
struct LastColumns {
  static constexpr int count = 1;
  Index first;
  Index width;
  UNITGAIN_INLINE Vec<T> get(const T* row, int) const { return load_partial(row + first, width); }
  UNITGAIN_INLINE void put(Vec<T> value, T* row, int) const {
    store_partial(value, row + first, width);
  }
};

// Calls body(columns) for groups of columns, so that what belongs to a group stays in registers
// while the rows go by. A column's arithmetic is the same in each kind of group.
template <class T, class Body>
UNITGAIN_INLINE void for_each_group(Index cols, Body&& body) {
  constexpr int wide = 4;
  Index j = 0;
  for (; j + wide * lanes<T> <= cols; j += wide * lanes<T>) body(WholeColumns<T, wide>{j});
  for (; j + lanes<T> <= cols; j += lanes<T>) body(WholeColumns<T, 1>{j});
  if (j < cols) body(LastColumns<T>{j, cols - j});
}

// Adds `sums` terms per row and vector over all rows: add(i, v, partial) adds row i's terms for
// vector v to partial[0 ... sums).
template <class T, int vectors, int sums, class Add>
UNITGAIN_INLINE void sum_rows(Index rows, LongSum<T> (&totals)[vectors][sums], Add&& add) {
  for (Index first = 0; first < rows; first += run_length) {
    const Index last = first + run_length < rows ? first + run_length : rows;
    Vec<T> partial[vectors][sums];
    for (int v = 0; v < vectors; ++v) {
      for (int s = 0; s < sums; ++s) partial[v][s] = T{0};
    }
    for (Index i = first; i < last; ++i) {
      for (int v = 0; v < vectors; ++v) add(i, v, partial[v]);
    }
    for (int v = 0; v < vectors; ++v) {
      for (int s = 0; s < sums; ++s) totals[v][s].add(partial[v][s]);
    }
  }
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
