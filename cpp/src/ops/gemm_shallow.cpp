#include "ops/gemm_shallow.hpp"

#include "ops/gemm_epilogue.hpp"
#include "simd/kernels/gemm.hpp"

namespace unitgain::ops {

namespace {

// B's rows as the kernel reads them: in place, or in panels of nr columns.
template <class T>
struct RightRows {
  const T* data;
  Index row_stride;
  bool packed;
};

template <class T>
RightRows<T> rows_of(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const MatrixView<const T>& b = problem.b;
  if (b.col_stride == 1) return {b.data, b.row_stride, false};
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  T* panels = reinterpret_cast<T*>(workspace);
  const runtime::Range cols = team.share(b.cols, kernels.nr);
  if (cols.size() > 0) {
    kernels.pack_b(b.data + cols.begin * b.col_stride, b.row_stride, b.col_stride, b.rows,
                   cols.size(), panels + cols.begin * b.rows);
  }
  team.barrier();
  return {panels, kernels.nr, true};
}

template <class T>
void multiply_rows(const Gemm<T>& problem, const RightRows<T>& b, runtime::Range rows,
                   runtime::Range cols) {
  const Index k = problem.a.cols, nr = runtime::kernels<T>().gemm->nr;
  const auto multiply = runtime::kernels<T>().thin_gemm->shallow;
  const T* a = problem.a.data + rows.begin * problem.a.row_stride;
  T* c = problem.c.data + rows.begin * problem.c.row_stride;
  const Index step = b.packed ? nr : cols.size();
  for (Index j = cols.begin; j < cols.end; j += step) {
    multiply(k, a, problem.a.row_stride, problem.a.col_stride, b.data + (b.packed ? j * k : j),
             b.row_stride, problem.alpha, problem.beta, c + j, problem.c.row_stride, rows.size(),
             std::min(step, cols.end - j));
  }
}

}  // namespace

template <class T>
void multiply_shallow(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index m = problem.c.rows, n = problem.c.cols;
  const RightRows<T> b = rows_of(team, problem, workspace);
  const Share share = share_tiles(team, ceil_div(m, kernels.mr), ceil_div(n, kernels.nr), true);
  const runtime::Range cols{share.cols.begin * kernels.nr,
                            std::min(n, share.cols.end * kernels.nr)};
  const Index last = std::min(m, share.rows.end * kernels.mr);
  if (cols.size() <= 0) return;
  const Index fitting = tuning::shallow_block_bytes / (cols.size() * static_cast<Index>(sizeof(T)));
  const Index step = round_up(std::max<Index>(1, fitting), kernels.mr);
  for (Index first = share.rows.begin * kernels.mr; first < last; first += step) {
    const runtime::Range rows{first, std::min(first + step, last)};
    multiply_rows(problem, b, rows, cols);
    finish(problem, rows, cols, kernels.mr);
  }
}

template <class T>
Index shallow_workspace(Index n, Index k) {
  return line_bytes(round_up(n, runtime::kernels<T>().gemm->nr) * k *
                    static_cast<Index>(sizeof(T)));
}

template void multiply_shallow(const runtime::Team&, const Gemm<float>&, std::byte*);
template void multiply_shallow(const runtime::Team&, const Gemm<double>&, std::byte*);
template Index shallow_workspace<float>(Index, Index);
template Index shallow_workspace<double>(Index, Index);

}  // namespace unitgain::ops
