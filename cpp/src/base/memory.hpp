// Memory for numbers: aligned to a cache line, uninitialised.
#pragma once

#include <cstddef>

namespace unitgain::base {

inline constexpr std::size_t cache_line = 64;

// Large blocks ask the system for huge pages: a product that reads a weight by columns touches a
// page for every row, more than the processor's page tables' cache holds of small ones.
// Throws MemoryError, which says what the memory was for: "the workspace of a product".
void* allocate(std::size_t bytes, const char* purpose);
void deallocate(void* memory, std::size_t bytes);

}  // namespace unitgain::base
