// Products whose result is small against an operand: their speed is that of reading it once. Each
// way, and the bytes of workspace that it needs; gemm_plan.cpp says which is taken.
#pragma once

#include "ops/gemm_epilogue.hpp"
#include "ops/gemm_plan.hpp"

namespace unitgain::ops {

// Route::deep.
template <class T>
void multiply_deep(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);
template <class T>
Index deep_workspace(Index m, Index n, Index k, int threads);

// Route::dots.
template <class T>
void multiply_dots(const runtime::Team& team, const Gemm<T>& problem);

// Route::summed.
template <class T>
void multiply_summed(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);
template <class T>
Index summed_workspace(Index m, Index n, Index k);

// Route::turned_vector, with the workspace of the transposes' sums.
template <class T>
void multiply_turned_vector(const runtime::Team& team, const Gemm<T>& problem,
                            std::byte* workspace);

// Route::turned.
template <class T>
void multiply_turned(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);
template <class T>
Index turned_workspace(Index m, Index n, Index k, int threads);

// Route::dotted.
template <class T>
void multiply_dotted(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);
template <class T>
Index dotted_workspace(Index n, Index k);

// The product of the last `cols` columns.
template <class T>
Gemm<T> last_cols(const Gemm<T>& problem, Index cols) {
  const Index first = problem.c.cols - cols;
  Gemm<T> part = problem;
  part.b = block(problem.b, 0, first, problem.b.rows, cols);
  part.c = block(problem.c, 0, first, problem.c.rows, cols);
  part.epilogue = shifted(problem.epilogue, 0, first);
  return part;
}

}  // namespace unitgain::ops
