// Products of float matrices on the split kernels, whose operands are packed as bfloat16 terms.
#pragma once

#include "ops/gemm.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::ops {

// Does the product and returns how many rows its tiles have, if the precision has split kernels and
// the product is large enough for them or B is packed for them; otherwise returns 0 at once.
// Neither answer nor bits depend on the team.
Index multiply_split(const runtime::Team& team, const Gemm<float>& problem, std::byte* workspace);
inline Index multiply_split(const runtime::Team&, const Gemm<double>&, std::byte*) {
  return 0;
}

// Bytes of workspace that multiply_split() may need.
template <class T>
Index split_workspace(Index m, Index n, Index k, int threads, Precision precision, bool packed);

// Whether a product of m rows with a B that is packed in that many terms is to read B itself.
bool prefers_values(Index m, Index terms);

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
