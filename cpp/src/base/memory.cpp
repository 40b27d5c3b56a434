#include "base/memory.hpp"

#include <cstdio>
#include <new>

#include "base/system.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

MemoryError::MemoryError(std::size_t bytes, const char* purpose) noexcept {
  constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto size = static_cast<double>(bytes);
  int unit = 0;
  for (; size >= 1024; ++unit) size /= 1024;
  std::snprintf(text_, sizeof text_, "cannot allocate %zu bytes (%.3g %s) for %s", bytes, size,
                units[unit], purpose);
}

}  // namespace unitgain

namespace unitgain::base {

namespace {

constexpr std::size_t least_huge = 2 * huge_page_bytes;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < least_huge ? cache_line : huge_page_bytes};
}

}  // namespace

void* allocate(std::size_t bytes, const char* purpose) {
  void* memory = ::operator new(bytes, alignment_of(bytes), std::nothrow);
  if (memory == nullptr) throw MemoryError(bytes, purpose);
  if (bytes >= least_huge) prefer_huge_pages(memory, bytes);
  return memory;
}

void deallocate(void* memory, std::size_t bytes) {
  ::operator delete(memory, alignment_of(bytes));
}

}  // namespace unitgain::base
