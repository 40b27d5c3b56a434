#include "linalg/row_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "ops/gemm.hpp"
#include "runtime/cache_sizes.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"

namespace unitgain::linalg {

namespace {

// Runs of blocks at most, each with sums of its own: enough for any team that such a matrix keeps
// busy, and so few that adding them up takes little.
constexpr Index most_runs = 16;

using ops::transposed;

}  // namespace

RowBlocks::RowBlocks(Index matrix_rows, Index matrix_cols) : rows(matrix_rows), cols(matrix_cols) {
  constexpr Index most = 256, least = 32, grain = 16;
  // Of a block there are two copies at most.
  const Index fitting =
      runtime::cache_sizes().second / (2 * cols * static_cast<Index>(sizeof(double)));
  // The rounding errors of products of columns grow with the rows of a block by the root of all
  // rows: so many leave less than half of one.
  const auto accurate = static_cast<Index>(2 * std::sqrt(static_cast<double>(rows)));
  block = std::clamp(std::min(fitting, accurate) / grain * grain, least, most);
  runs = std::min(most_runs, count());
}

template <class S>
BlockBuffers carve_buffers(Carver& carver, const RowBlocks& blocks, Index right_sides) {
  const simd::GemmKernels<double>& kernels = *runtime::kernels<double>().gemm;
  const Index rows = blocks.block, cols = blocks.cols;
  BlockBuffers own{};
  if (sizeof(S) != sizeof(double)) own.block = carver.take<double>(rows * padded<double>(cols));
  own.rest = carver.take_columns<double>(std::max(rows, cols), std::max(rows, cols));
  own.panels = carver.take<double>(ops::round_up(cols, kernels.nr) * rows);
  own.gemm = carver.take<std::byte>(
      std::max(ops::gemm_workspace_up_to<double>(cols, rows, cols, 1),
               ops::gemm_workspace_up_to<double>(std::max(rows, right_sides), std::max(rows, cols),
                                                 std::max(rows, cols), 1)));
  return own;
}

template <class S>
MatrixView<const double> load_rows(const MatrixView<const S>& a, runtime::Range rows, double* to) {
  const MatrixView<const S> block = {a.data + rows.begin * a.row_stride, rows.size(), a.cols,
                                     a.row_stride, a.col_stride};
  if constexpr (std::is_same_v<S, double>) {
    return block;
  } else {
    const bool by_columns = a.row_stride == 1;
    const MatrixView<const S> lines = by_columns ? transposed(block) : block;
    const Index stride = padded<double>(lines.cols);
    for (Index i = 0; i < lines.rows; ++i) {
      const S* const from = lines.data + i * lines.row_stride;
      double* const line = to + i * stride;
      if (lines.col_stride == 1) {
        for (Index j = 0; j < lines.cols; ++j) line[j] = from[j];
      } else {
        for (Index j = 0; j < lines.cols; ++j) line[j] = from[j * lines.col_stride];
      }
    }
    const MatrixView<const double> copy = {to, lines.rows, lines.cols, stride, 1};
    return by_columns ? transposed(copy) : copy;
  }
}

void add_gram(const MatrixView<const double>& block, const BlockBuffers& own, bool first,
              const MatrixView<double>& gram) {
  const simd::GemmKernels<double>& kernels = *runtime::kernels<double>().gemm;
  const Index depth = block.rows, n = block.cols;
  const bool in_place = block.col_stride == 1;
  if (!in_place) {
    kernels.pack_b(block.data, block.row_stride, block.col_stride, depth, n, own.panels);
  }
  for (Index j = 0; j < n; j += kernels.nr) {
    const Index cols = std::min(kernels.nr, n - j);
    double* const packed = own.panels + j * depth;
    simd::RightPanel<double> panel = {packed, simd::packed_panel, nullptr, nullptr, 0};
    if (in_place) panel = {block.data + j, block.row_stride, packed, nullptr, 0};
    // As many rows to each tile, for those below the diagonal are of no use.
    const Index tiles = (j + cols + kernels.mr - 1) / kernels.mr;
    for (Index t = 0; t < tiles; ++t) {
      const runtime::Range rows = runtime::Team::share(t, tiles, j + cols);
      kernels.tile(depth, block.data + rows.begin * block.col_stride, block.col_stride,
                   block.row_stride, panel, 1.0, first ? 0.0 : 1.0,
                   gram.data + rows.begin * gram.row_stride + j, gram.row_stride, rows.size(),
                   cols);
      panel = {packed, simd::packed_panel, nullptr, nullptr, 0};
    }
  }
}

template <class S>
void multiply_block(const MatrixView<const double>& block, const MatrixView<double>& right,
                    const MatrixView<S>& out, const BlockBuffers& own) {
  // The product is made in the order that the result has in memory.
  const bool by_columns = out.row_stride == 1;
  const MatrixView<S> lines = by_columns ? transposed(out) : out;
  const MatrixView<const double> factor = {right.data, right.rows, right.cols, right.row_stride,
                                           right.col_stride};
  ops::Gemm<double> product;
  product.a = by_columns ? transposed(factor) : block;
  product.b = by_columns ? transposed(block) : factor;
  product.c = {own.rest.data, lines.rows, lines.cols, own.rest.stride, 1};
  if constexpr (std::is_same_v<S, double>) {
    if (lines.col_stride == 1) product.c = lines;
  }
  ops::gemm(runtime::Team(), product, own.gemm);
  if (std::is_same_v<S, double> && lines.col_stride == 1) return;
  for (Index i = 0; i < lines.rows; ++i) {
    const double* const from = own.rest[i];
    S* const to = lines.data + i * lines.row_stride;
    if (lines.col_stride == 1) {
      for (Index j = 0; j < lines.cols; ++j) to[j] = static_cast<S>(from[j]);
    } else {
      for (Index j = 0; j < lines.cols; ++j) to[j * lines.col_stride] = static_cast<S>(from[j]);
    }
  }
}

#define UNITGAIN_INSTANTIATE(S)                                                               \
  template BlockBuffers carve_buffers<S>(Carver&, const RowBlocks&, Index);                   \
  template MatrixView<const double> load_rows<S>(const MatrixView<const S>&, runtime::Range,  \
                                                 double*);                                    \
  template void multiply_block<S>(const MatrixView<const double>&, const MatrixView<double>&, \
                                  const MatrixView<S>&, const BlockBuffers&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
