// The Euclidean norm of long arrays, in blocks that a team shares.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::ops {

// Blocks are fixed, so that the sum's order does not depend on who adds up what.
inline constexpr Index norm_block = 4096;

// The norm of one block: of any finite values, without overflow, as long as the norm itself can be
// a double.
template <class T>
double block_norm(const T* x, Index n);

// The norm of the whole from its blocks' norms. Its error is that of a block's and does not grow
// with their number; infinite or NaN if a value is.
double combined_norm(const double* norms, Index count);

}  // namespace unitgain::ops
