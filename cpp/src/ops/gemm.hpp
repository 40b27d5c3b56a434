// The matrix product on strided views, for a team.
#pragma once

#include <cstddef>

#include "ops/gemm_blocks.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels.hpp"
#include "simd/kernels/tile_epilogue.hpp"

namespace unitgain::ops {

// A right operand in a kernel's panels: for each block of depth in turn (see gemm_blocks.hpp), the
// panels of its columns.
struct PackedOperand {
  const std::byte* panels;
  const simd::SplitGemmKernels* split;  // whose panels they are; null: those of the plain kernels
  const simd::ExponentRange* ranges;    // of each split panel
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
  simd::TileEpilogue<T> epilogue = {};  // but for its column_sums
  // The sums of C's columns, after the epilogue; null: not wanted.
  T* column_sums = nullptr;
  T* partial_sums = nullptr;                 // workspace for them, gemm_partial_sums() values
  Precision precision = Precision::highest;  // of float
  // Takes b's place. b has its shape, and its data unless it is null: then, what packed's terms
  // say is what b is.
  const PackedOperand* packed = nullptr;
};

// Bytes of workspace, shared by the team, that gemm() needs for a product of this shape, its
// operands in any order, of a team of that many at most; `packed` is whether B is.
template <class T>
Index gemm_workspace(Index m, Index n, Index k, int threads,
                     Precision precision = Precision::highest, bool packed = false);

// The same, for any product of which no dimension is larger; of full precision, with nothing
// packed.
template <class T>
Index gemm_workspace_up_to(Index m, Index n, Index k, int threads);

template <class T>
Index gemm_partial_sums(Index m, Index n);

// The cost of the product on one thread, in nanoseconds, roughly.
double gemm_work(Index m, Index n, Index k);

// Plans the product (gemm_plan.hpp) and runs it.
template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);

}  // namespace unitgain::ops
