// An array of numbers: aligned to a cache line, uninitialised, movable.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "base/memory.hpp"
#include "unitgain/types.hpp"

namespace unitgain::base {

template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // `purpose` is what a MemoryError says that the memory was for.
  AlignedBuffer(Index size, const char* purpose)
      : data_(size == 0 ? nullptr : static_cast<T*>(allocate(bytes(size), purpose))), size_(size) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer() {
    if (data_ != nullptr) deallocate(data_, bytes(size_));
  }

  T* data() const { return data_; }
  Index size() const { return size_; }
  T& operator[](Index i) const { return data_[i]; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }

  void zero() {
    if (size_ > 0) std::memset(data_, 0, bytes(size_));
  }

 private:
  static std::size_t bytes(Index size) { return static_cast<std::size_t>(size) * sizeof(T); }

  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace unitgain::base
