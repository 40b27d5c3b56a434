// Arrays that end at a page which nobody may touch, so that an access beyond the end is a fault on
// every variant, also by the masked and tile instructions that no sanitizer sees.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <random>
#include <type_traits>
#include <utility>

#include "base/system.hpp"
#include "unitgain/types.hpp"

namespace unitgain::tests {

// The type that expected values are computed in.
template <class T>
using Reference = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <class T>
inline constexpr Reference<T> epsilon = std::numeric_limits<T>::epsilon();

// Sizes around every variant's vector length and its multiples.
inline constexpr Index sizes[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,   15, 16,
                                  17, 31, 32, 33, 47, 63, 64, 65, 130, 257};

// A value that nobody should have written over.
inline constexpr double canary = -12345.5;

std::size_t system_page();

// Nobody may touch these pages from here on.
void forbid(void* memory, std::size_t bytes);

template <class T>
class Array {
 public:
  explicit Array(Index size, double value = canary) : size_(size) {
    const auto page = static_cast<Index>(system_page());
    const Index bytes = size * static_cast<Index>(sizeof(T));
    readable_ = (bytes + page - 1) / page * page;
    mapped_ = readable_ + page;
    base_ = static_cast<char*>(base::map_pages(static_cast<std::size_t>(mapped_)));
    if (base_ == nullptr) std::abort();
    forbid(base_ + readable_, static_cast<std::size_t>(page));
    std::fill(begin(), end(), static_cast<T>(value));
  }
  Array(std::initializer_list<double> values) : Array(static_cast<Index>(values.size())) {
    std::transform(values.begin(), values.end(), begin(),
                   [](double value) { return static_cast<T>(value); });
  }
  Array(const Array& other) : Array(other.size_) { std::copy(other.begin(), other.end(), begin()); }
  Array(Array&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)),
        readable_(other.readable_),
        mapped_(other.mapped_),
        size_(other.size_) {}
  Array& operator=(const Array&) = delete;
  ~Array() {
    if (base_ != nullptr) base::unmap_pages(base_, static_cast<std::size_t>(mapped_));
  }

  T* data() const { return reinterpret_cast<T*>(base_ + readable_) - size_; }
  Index size() const { return size_; }
  T& operator[](Index i) const { return data()[i]; }
  T* begin() const { return data(); }
  T* end() const { return data() + size_; }

 private:
  char* base_;
  Index readable_;
  Index mapped_;
  Index size_;
};

// Evenly distributed in [low, high); the same for the same seed.
template <class T>
Array<T> random_array(Index size, unsigned seed, double low = -1.0, double high = 1.0) {
  std::mt19937_64 generator(seed);
  Array<T> array(size);
  for (T& value : array) {
    value = static_cast<T>(low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53);
  }
  return array;
}

// A row-major matrix whose rows are `gap` elements apart, as one array that ends with the last row.
template <class T>
struct Matrix {
  Matrix(Index row_count, Index col_count, Index gap, Array<T> values)
      : rows(row_count), cols(col_count), stride(col_count + gap), array(std::move(values)) {}

  static Matrix filled(Index row_count, Index col_count, Index gap, double value = canary) {
    return {row_count, col_count, gap, Array<T>(length(row_count, col_count, gap), value)};
  }
  static Matrix random(Index row_count, Index col_count, Index gap, unsigned seed,
                       double low = -1.0, double high = 1.0) {
    return {row_count, col_count, gap,
            random_array<T>(length(row_count, col_count, gap), seed, low, high)};
  }

  T* data() const { return array.data(); }
  T& operator()(Index i, Index j) const { return array[i * stride + j]; }

  // Whether what lies between the rows is as in `before`.
  bool gaps_equal(const Matrix& before) const {
    for (Index i = 0; i < array.size(); ++i) {
      if (i % stride >= cols && array[i] != before.array[i]) return false;
    }
    return true;
  }

  Index rows;
  Index cols;
  Index stride;
  Array<T> array;

 private:
  static Index length(Index row_count, Index col_count, Index gap) {
    return row_count == 0 ? 0 : (row_count - 1) * (col_count + gap) + col_count;
  }
};

}  // namespace unitgain::tests
