// Products of so little depth that their speed is that of writing C.
#pragma once

#include "ops/gemm.hpp"

namespace unitgain::ops {

template <class T>
void multiply_shallow(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);

// Bytes of workspace for that: none where B has unit column stride.
template <class T>
Index shallow_workspace(Index n, Index k);

}  // namespace unitgain::ops
