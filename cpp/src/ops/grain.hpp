// Where the operations cut arrays between threads: at whole cache lines, so that no line is written
// by two threads, and in pieces that amortise a kernel's call.
#pragma once

#include "base/aligned_buffer.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

inline constexpr Index element_grain = 256;

template <class T>
inline constexpr Index column_grain = static_cast<Index>(base::cache_line / sizeof(T));

}  // namespace unitgain::ops
