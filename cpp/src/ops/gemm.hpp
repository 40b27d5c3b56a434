// The matrix product on strided views, for a team.
#pragma once

#include <cstddef>

#include "runtime/parallel.hpp"
#include "simd/kernels.hpp"

namespace unitgain::ops {

// C = epilogue(alpha A B + beta C). C has unit column stride; its epilogue's pointers are those of
// C's first element. C overlaps neither operand. When beta is 0, C is not read.
template <class T>
struct Gemm {
  MatrixView<const T> a;
  MatrixView<const T> b;
  MatrixView<T> c;
  T alpha = 1;
  T beta = 0;
  simd::TileEpilogue<T> epilogue = {};
};

// Bytes of workspace, shared by the team, that gemm() needs for a product of this shape.
template <class T>
Index gemm_workspace(Index m, Index n, Index k, int threads);

// What the product takes on one thread, in nanoseconds, roughly.
double gemm_work(Index m, Index n, Index k);

template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);

}  // namespace unitgain::ops
