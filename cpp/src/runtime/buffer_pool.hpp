// Memory for large results, kept when it is released for the next result of its size. A fresh page
// costs the kernel's zeroing and a fault, several times what an element-wise operation does with
// it.
#pragma once

#include <cstddef>

#include "unitgain/types.hpp"

namespace unitgain::runtime {

// Below this many bytes the C library's own lists recycle well enough.
inline constexpr Index pooled_bytes = Index{1} << 18;

// At least `bytes` bytes, at a page boundary, uninitialised. Any thread may give it back. Throws
// MemoryError, which says what the memory was for.
std::byte* take_buffer(Index bytes, const char* purpose);
// `bytes` as it was taken. The memory is kept if the limit allows, least recently released first to
// go to the system.
void give_back_buffer(std::byte* buffer, Index bytes) noexcept;

// The bytes that are kept, and the most that may be.
Index kept_bytes();
Index kept_limit();
// Lowering the limit returns memory to the system; 0 keeps nothing.
void set_kept_limit(Index bytes);
// Returns all that is kept to the system.
void release_kept();

}  // namespace unitgain::runtime
