// Pieces of memory that kernels read and write, and how they may lie to each other.
#pragma once

#include <initializer_list>

#include "unitgain/types.hpp"

namespace unitgain::runtime {

// `rows` runs of `width` bytes, `stride` bytes apart.
struct Area {
  const char* data;
  Index rows;
  Index width;
  Index stride;
};

template <class T>
Area matrix(const T* x, Index rows, Index cols, Index row_stride) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  return {reinterpret_cast<const char*>(x), rows, cols * size, row_stride * size};
}

template <class T>
Area vector(const T* x, Index n) {
  return matrix(x, 1, n, 0);
}

// Strides of both, of which none need be 1. Then the area is its first row, which is right but not
// all of it.
template <class T>
Area matrix(const T* x, Index rows, Index cols, Index row_stride, Index col_stride) {
  if (col_stride == 1 || cols == 1) return matrix(x, rows, cols, row_stride);
  if (row_stride == 1 || rows == 1) return matrix(x, cols, rows, col_stride);
  return matrix(x, rows == 0 ? 0 : cols, 1, col_stride);
}

// Nothing if x is null.
template <class T>
Area optional(const T* x, Area area) {
  if (x == nullptr) area.rows = 0;
  return area;
}

// None is null, unless it is empty.
bool are_there(std::initializer_list<Area> areas);

// All are there, and `out` shares no byte with the others.
bool is_apart(const Area& out, std::initializer_list<Area> inputs);

// The same, but an input may be `out` exactly.
bool is_in_place_or_apart(const Area& out, std::initializer_list<Area> inputs);

}  // namespace unitgain::runtime
