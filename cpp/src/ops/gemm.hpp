// The matrix product on strided views, for a team.
#pragma once

#include <cstddef>

#include "ops/gemm_blocks.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels.hpp"

namespace unitgain::ops {

// A right operand in a kernel's panels: for each block of depth in turn (see gemm_blocks.hpp), the
// panels of its columns.
struct PackedOperand {
  const std::byte* data;
  const simd::SplitGemmKernels* split;  // whose panels they are; null: those of the plain kernels
  const simd::ExponentRange* ranges;    // of each split panel
  const std::byte* plain;               // the plain panels beside the split ones; may be null
};

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
  Precision precision = Precision::highest;  // of float
  const PackedOperand* packed = nullptr;     // takes b's place; b has its shape
};

// Bytes of workspace, shared by the team, that gemm() needs for a product of this shape, of a team
// of that many at most.
template <class T>
Index gemm_workspace(Index m, Index n, Index k, int threads,
                     Precision precision = Precision::highest);

// What the product takes on one thread, in nanoseconds, roughly.
double gemm_work(Index m, Index n, Index k);

template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);

}  // namespace unitgain::ops
