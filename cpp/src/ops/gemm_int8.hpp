// The matrix product with quantized weights: each row of A is quantized as it comes, sums are exact
// integers, and the epilogue follows in float32.
#pragma once

#include "ops/gemm.hpp"
#include "ops/quantized_matrix.hpp"

namespace unitgain::ops {

// C = epilogue(A B) of a problem with unit column strides, whose b, alpha, beta, packed and
// column_sums are not looked at. The bits do not depend on the number of threads.
void gemm_int8(const runtime::Team& team, const Gemm<float>& problem, const QuantizedMatrix& b,
               std::byte* workspace);

// Bytes of workspace, shared by a team of that many at most.
Index gemm_int8_workspace(Index m, Index k, int threads);

// The cost on one thread, in nanoseconds, roughly.
double gemm_int8_work(Index m, Index n, Index k);

}  // namespace unitgain::ops
