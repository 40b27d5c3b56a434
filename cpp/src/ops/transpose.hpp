// Transposition of a stack of matrices.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y (count x cols x rows) = x (count x rows x cols) with each matrix transposed; both contiguous,
// and not the same.
template <class T>
void transpose(const runtime::Team& team, const T* x, T* y, Index count, Index rows, Index cols);

}  // namespace unitgain::ops
