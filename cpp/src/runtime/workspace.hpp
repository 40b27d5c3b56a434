// Scratch memory that is kept between calls.
#pragma once

#include "base/aligned_buffer.hpp"

namespace unitgain::runtime {

// At least `bytes` bytes, aligned to a cache line, belonging to the calling thread until its next
// call of this function. An operation takes it once, on the thread that was called, before its team
// starts.
std::byte* thread_workspace(Index bytes);

}  // namespace unitgain::runtime
