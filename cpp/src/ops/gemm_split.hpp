// Products of float matrices on the split kernels, whose operands are packed as bfloat16 terms.
#pragma once

#include "ops/gemm_plan.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::ops {

// Route::split.
void multiply_split(const runtime::Team& team, const Gemm<float>& problem,
                    const GemmPlan<float>& plan, std::byte* workspace);
Index split_workspace(const GemmSize& size, int threads);

Blocks split_blocks(const simd::SplitGemmKernels& kernels, Index m, Index n, Index k);

// Whether the terms of a panel of A and of one of B multiply to the kernels' accuracy.
bool split_holds(const simd::SplitGemmKernels& kernels, const simd::ExponentRange& a,
                 const simd::ExponentRange& b);

// Where the panels of a packed B lie: for each pass over the depth in turn, those of its columns.
struct SplitLayout {
  SplitLayout(const simd::SplitGemmKernels& kernels, Index n, Index k);

  const simd::SplitGemmKernels& kernels;
  Index n, k;
  Index kc;
  Index col_panels;

  Index passes() const { return std::max<Index>(1, ceil_div(k, kc)); }
  Index panel(Index first, Index col) const { return first / kc * col_panels + col / kernels.nr; }
  Index offset(Index first, Index col) const;  // in bytes
  Index panels() const { return passes() * col_panels; }
  Index bytes() const { return offset(passes() * kc, 0); }
};

}  // namespace unitgain::ops
