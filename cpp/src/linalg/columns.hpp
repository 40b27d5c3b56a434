// A matrix whose columns are contiguous, in memory that somebody else owns. linalg/ works on
// columns: every inner loop of Householder QR and one-sided Jacobi runs down one or two of them.
#pragma once

#include <cstddef>

#include "unitgain/types.hpp"

namespace unitgain::linalg {

template <class T>
struct Columns {
  T* data;
  Index rows;
  Index count;
  Index stride;

  T* operator[](Index j) const { return data + j * stride; }
};

// `rows` rounded up to whole cache lines, which are whole vectors of every variant.
template <class T>
constexpr Index padded(Index rows) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  return (rows + line - 1) / line * line;
}

// The distance between columns of `rows` values: whole cache lines, and an odd number of them, so
// that the columns of one pair or panel do not compete for the same sets of the cache.
template <class T>
constexpr Index column_stride(Index rows) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  return (padded<T>(rows) / line | 1) * line;
}

// Cuts one block of memory into arrays. With a null base it only measures.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <class T>
  T* take(Index count) {
    std::byte* const start = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (count * static_cast<Index>(sizeof(T)) + 63) / 64 * 64;
    return reinterpret_cast<T*>(start);
  }

  template <class T>
  Columns<T> take_columns(Index rows, Index count) {
    const Index stride = column_stride<T>(rows);
    return {take<T>(stride * count), rows, count, stride};
  }

  Index used() const { return used_; }

 private:
  std::byte* base_;
  Index used_ = 0;
};

}  // namespace unitgain::linalg
