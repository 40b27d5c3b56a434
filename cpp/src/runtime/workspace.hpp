// Scratch memory that is kept between calls.
#pragma once

#include "base/aligned_buffer.hpp"

namespace unitgain::runtime {

// At least `bytes` bytes, aligned to a cache line, belonging to the calling thread until its next
// call of this function. An operation takes it once, on the thread that was called, before its team
// starts. Throws MemoryError, which says what the memory was for.
std::byte* thread_workspace(Index bytes, const char* purpose);

// Bytes for one of a team's threads, where each has its part of one workspace. Between two parts is
// a gap, for hardware prefetchers run past the end of what a core reads, and take lines from the
// core that writes there: with cores of two chiplets (Zen 5) packing took three times as long
// without.
constexpr Index thread_bytes(Index bytes) {
  constexpr Index line = 64, gap = 16 << 10;
  return (bytes + line - 1) / line * line + gap;
}

}  // namespace unitgain::runtime
