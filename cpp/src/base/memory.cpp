#include "base/memory.hpp"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace unitgain::base {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20, least_huge = 2 * huge_page;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < least_huge ? cache_line : huge_page};
}

}  // namespace

void* allocate(std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__)
  if (bytes >= least_huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

void deallocate(void* memory, std::size_t bytes) {
  ::operator delete(memory, alignment_of(bytes));
}

}  // namespace unitgain::base
