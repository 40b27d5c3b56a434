#include "allocations.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> count{0};

// The address that malloc gave stands in front of the memory.
void* allocate(std::size_t bytes, std::size_t alignment) {
  count.fetch_add(1, std::memory_order_relaxed);
  const std::size_t more = alignment + sizeof(void*);
  void* whole = bytes + more < bytes ? nullptr : std::malloc(bytes + more);
  if (whole == nullptr) throw std::bad_alloc();
  const std::uintptr_t least = reinterpret_cast<std::uintptr_t>(whole) + sizeof(void*);
  void* aligned = reinterpret_cast<void*>((least + alignment - 1) / alignment * alignment);
  static_cast<void**>(aligned)[-1] = whole;
  return aligned;
}

void deallocate(void* memory) noexcept {
  if (memory != nullptr) std::free(static_cast<void**>(memory)[-1]);
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  deallocate(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  deallocate(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  deallocate(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  deallocate(memory);
}

namespace unitgain::tests {

long allocations() {
  return count.load();
}

}  // namespace unitgain::tests
