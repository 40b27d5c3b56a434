// Rows of a matrix in place, for the kernels of the product. For sources in simd/ only.
#pragma once

#include <utility>

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

template <class Body, int... i>
UNITGAIN_INLINE void for_each_index(const Body& body, std::integer_sequence<int, i...>) {
  (body(std::integral_constant<int, i>()), ...);
}

// `count` rows a stride apart, read side by side: from one address in five, by
// the stride and by three of it, the others are an operand's scaled sum away. Left to itself, GCC
// 12 keeps an address for each row, for which there are too few registers.
template <class T, int count>
class StridedRows {
 public:
  UNITGAIN_INLINE StridedRows(const T* first, Index stride)
      : stride_(stride * static_cast<Index>(sizeof(T))), three_(3 * stride_) {
#pragma GCC unroll 3
    for (int i = 0; i < bases; ++i) base_[i] = first + 5 * i * stride;
  }

  // So that no multiple of the stride is computed in advance: call it in the loop.
  UNITGAIN_INLINE void hold_strides() { __asm__("" : "+r"(stride_), "+r"(three_)); }

  template <int i>
  UNITGAIN_INLINE T value() const {
    constexpr int past = i % 5;
    const Index offset = past == 3 ? three_ : past * stride_;
    return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(base_[i / 5]) + offset);
  }
  UNITGAIN_INLINE void advance(Index values) {
#pragma GCC unroll 3
    for (int i = 0; i < bases; ++i) base_[i] += values;
  }

 private:
  static constexpr int bases = (count + 4) / 5;
  const T* base_[bases];
  Index stride_, three_;
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
