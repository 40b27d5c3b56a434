// What is done to C after its sums, for the files of the product.
#pragma once

#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::ops {

template <class T>
simd::TileEpilogue<T> shifted(simd::TileEpilogue<T> e, Index row, Index col) {
  if (e.scale != nullptr) e.scale += col;
  if (e.bias != nullptr) e.bias += col;
  if (e.output != nullptr) e.output += row * e.output_stride + col;
  if (e.saved != nullptr) e.saved += row * e.saved_stride + col;
  return e;
}

template <class T>
bool is_empty(const simd::TileEpilogue<T>& e) {
  return e.scale == nullptr && e.bias == nullptr && e.output == nullptr && e.saved == nullptr &&
         e.activation.kind == Activation::linear;
}

// The epilogue on a rectangle of C whose sums are complete.
template <class T>
void finish(const Gemm<T>& problem, runtime::Range rows, runtime::Range cols) {
  if (is_empty(problem.epilogue)) return;
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  for (Index i = rows.begin; i < rows.end; i += kernels.mr) {
    for (Index j = cols.begin; j < cols.end; j += kernels.nr) {
      kernels.epilogue(problem.c.data + i * problem.c.row_stride + j, problem.c.row_stride,
                       std::min(kernels.mr, rows.end - i), std::min(kernels.nr, cols.end - j),
                       shifted(problem.epilogue, i, j));
    }
  }
}

}  // namespace unitgain::ops
