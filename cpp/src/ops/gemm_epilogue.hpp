// The epilogue: operations on C after its sums, for the files of the product.
#pragma once

#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"
#include "unitgain/rows/activation.hpp"

namespace unitgain::ops {

template <class T>
simd::TileEpilogue<T> shifted(simd::TileEpilogue<T> e, Index row, Index col) {
  if (e.scale != nullptr) e.scale += col;
  if (e.bias != nullptr) e.bias += col;
  e.dropout.first += row * e.dropout.row_stride + col;
  if (e.output != nullptr) e.output += row * e.output_stride + col;
  if (e.saved != nullptr) e.saved += row * e.saved_stride + col;
  return e;
}

template <class T>
bool is_empty(const Gemm<T>& problem) {
  const simd::TileEpilogue<T>& e = problem.epilogue;
  return e.scale == nullptr && e.bias == nullptr && e.output == nullptr && e.saved == nullptr &&
         e.activation.kind == Activation::linear && e.dropout.bits == nullptr &&
         problem.column_sums == nullptr;
}

// The epilogue on a rectangle of C whose sums are complete. Rows are taken in groups of `group`,
// each of which has one row of problem.partial_sums; with column sums, rows.begin starts one.
template <class T>
void finish(const Gemm<T>& problem, runtime::Range rows, runtime::Range cols, Index group) {
  if (is_empty(problem)) return;
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  for (Index first = rows.begin; first < rows.end; first += group) {
    const Index last = std::min(first + group, rows.end);
    for (Index j = cols.begin; j < cols.end; j += kernels.nr) {
      const Index n = std::min(kernels.nr, cols.end - j);
      T* sums = nullptr;
      if (problem.column_sums != nullptr) {
        sums = problem.partial_sums + first / group * problem.c.cols + j;
        std::fill(sums, sums + n, T{0});
      }
      for (Index i = first; i < last; i += kernels.mr) {
        simd::TileEpilogue<T> epilogue = shifted(problem.epilogue, i, j);
        epilogue.column_sums = sums;
        kernels.epilogue(problem.c.data + i * problem.c.row_stride + j, problem.c.row_stride,
                         std::min(kernels.mr, last - i), n, epilogue);
      }
    }
  }
}

}  // namespace unitgain::ops
