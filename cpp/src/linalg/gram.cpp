#include "linalg/gram.hpp"

#include <algorithm>

#include "ops/gemm.hpp"
#include "runtime/cache_sizes.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::linalg {

namespace {

// Runs of blocks at most, each with sums of its own: enough for any team that such a matrix keeps
// busy, and so few that adding them up takes little.
constexpr Index most_runs = 16;

using ops::transposed;

// One run's sums.
struct Sums {
  MatrixView<double> gram;
  double* projections;
  double* squares;
};

Sums carve_sums(Carver& carver, Index cols, Index right_sides) {
  const Index stride = column_stride<double>(cols);
  Sums sums;
  sums.gram = {carver.take<double>(cols * stride), cols, cols, stride, 1};
  sums.projections = carver.take<double>(cols * right_sides);
  sums.squares = carver.take<double>(right_sides);
  return sums;
}

// What one member needs.
struct Own {
  double* block;         // the block at hand, where it cannot be used as it lies
  Columns<double> rest;  // B - A X of it; or A right
  double* left;          // the block, in panels of either operand
  double* right;
  std::byte* gemm;
};

template <class S>
Own carve_own(Carver& carver, const RowBlocks& blocks, Index right_sides) {
  const simd::GemmKernels<double>& kernels = *runtime::kernels<double>().gemm;
  const Index rows = blocks.block, cols = blocks.cols;
  Own own{};
  if (sizeof(S) != sizeof(double)) own.block = carver.take<double>(rows * padded<double>(cols));
  own.rest = carver.take_columns<double>(std::max(rows, cols), std::max(rows, cols));
  own.left = carver.take<double>(ops::round_up(cols, kernels.mr) * rows);
  own.right = carver.take<double>(ops::round_up(cols, kernels.nr) * rows);
  own.gemm = carver.take<std::byte>(
      std::max(ops::gemm_workspace_up_to<double>(cols, rows, cols, 1),
               ops::gemm_workspace_up_to<double>(std::max(rows, right_sides), std::max(rows, cols),
                                                 std::max(rows, cols), 1)));
  return own;
}

// The block of rows as doubles: in place, or converted in the order that it has in memory.
template <class S>
MatrixView<const double> load(const MatrixView<const S>& a, runtime::Range rows, double* to) {
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

// sums.gram += the block's, its upper triangle and what of the tiles on the diagonal is below it.
void add_gram(const MatrixView<const double>& block, const Own& own, bool first,
              const MatrixView<double>& gram) {
  const simd::GemmKernels<double>& kernels = *runtime::kernels<double>().gemm;
  const Index depth = block.rows, n = block.cols;
  kernels.pack_a(block.data, block.col_stride, block.row_stride, n, depth, own.left);
  kernels.pack_b(block.data, block.row_stride, block.col_stride, depth, n, own.right);
  for (Index j = 0; j < n; j += kernels.nr) {
    const Index cols = std::min(kernels.nr, n - j);
    const simd::RightPanel<double> panel = {own.right + j * depth, simd::packed_panel, nullptr,
                                            nullptr, 0};
    for (Index i = 0; i < j + cols; i += kernels.mr) {
      kernels.tile(depth, own.left + i * depth, 1, simd::packed_panel, panel, 1.0,
                   first ? 0.0 : 1.0, gram.data + i * gram.row_stride + j, gram.row_stride,
                   std::min(kernels.mr, n - i), cols);
    }
  }
}

// One pass over a matrix.
template <class S>
struct Pass {
  MatrixView<const S> a, b;
  Columns<double> x;
  bool gram;
  const GramWorkspace& workspace;

  Own own(const runtime::Team& team) const {
    Carver carver(workspace.members + team.rank() * workspace.member_bytes);
    return carve_own<S>(carver, workspace.blocks, workspace.right_sides);
  }
  Sums sums(Index run) const {
    Carver carver(workspace.runs + run * workspace.run_bytes);
    return carve_sums(carver, workspace.blocks.cols, workspace.right_sides);
  }

  void run(const runtime::Team& team) const {
    const RowBlocks& blocks = workspace.blocks;
    const Own mine = own(team);
    const runtime::Range range = team.share(blocks.runs);
    for (Index r = range.begin; r < range.end; ++r) {
      const Sums to = sums(r);
      std::fill_n(to.projections, blocks.cols * b.cols, 0.0);
      std::fill_n(to.squares, b.cols, 0.0);
      const runtime::Range own_blocks = runtime::Team::share(r, blocks.runs, blocks.count());
      for (Index k = own_blocks.begin; k < own_blocks.end; ++k) {
        const runtime::Range rows = {k * blocks.block, std::min(a.rows, (k + 1) * blocks.block)};
        const MatrixView<const double> block = load(a, rows, mine.block);
        if (gram) add_gram(block, mine, k == own_blocks.begin, to.gram);
        if (b.cols > 0) add_projections(block, rows, mine, to);
      }
    }
    team.barrier();
    add_up(team);
  }

  void add_projections(const MatrixView<const double>& block, runtime::Range rows, const Own& mine,
                       const Sums& to) const {
    const Columns<double>& rest = mine.rest;
    for (Index c = 0; c < b.cols; ++c) {
      const S* const from = b.data + rows.begin * b.row_stride + c * b.col_stride;
      for (Index i = 0; i < rows.size(); ++i) rest[c][i] = from[i * b.row_stride];
    }
    const MatrixView<double> lines = {rest.data, b.cols, rows.size(), rest.stride, 1};
    if (x.data != nullptr) {
      ops::Gemm<double> product;
      product.a = {x.data, b.cols, a.cols, x.stride, 1};
      product.b = transposed(block);
      product.c = lines;
      product.alpha = -1;
      product.beta = 1;
      ops::gemm(runtime::Team(), product, mine.gemm);
    }
    for (Index c = 0; c < b.cols; ++c) {
      to.squares[c] += runtime::kernels<double>().vector->dot(rest[c], rest[c], rows.size());
    }
    ops::Gemm<double> product;
    product.a = {lines.data, b.cols, rows.size(), lines.row_stride, 1};
    product.b = block;
    product.c = {to.projections, b.cols, a.cols, a.cols, 1};
    product.beta = 1;
    ops::gemm(runtime::Team(), product, mine.gemm);
  }

  void add_up(const runtime::Team& team) const {
    const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
    const Index n = workspace.blocks.cols, runs = workspace.blocks.runs;
    // The triangle's rows become shorter: dealt out in turn.
    for (Index i = team.rank(); gram && i < n; i += team.size()) {
      double* const to = workspace.gram.data + i * workspace.gram.row_stride + i;
      std::copy_n(sums(0).gram.data + i * sums(0).gram.row_stride + i, n - i, to);
      for (Index r = 1; r < runs; ++r) {
        vector.add(to, sums(r).gram.data + i * sums(r).gram.row_stride + i, to, n - i);
      }
    }
    for (Index c = team.rank(); c < b.cols; c += team.size()) {
      double* const to = workspace.projections + c * n;
      std::fill_n(to, n, 0.0);
      workspace.squares[c] = 0;
      for (Index r = 0; r < runs; ++r) {
        vector.add(to, sums(r).projections + c * n, to, n);
        workspace.squares[c] += sums(r).squares[c];
      }
    }
    team.barrier();
  }
};

}  // namespace

RowBlocks::RowBlocks(Index matrix_rows, Index matrix_cols) : rows(matrix_rows), cols(matrix_cols) {
  constexpr Index most = 256, least = 64, grain = 16;
  // Of a block there are three copies at most.
  const Index fitting =
      runtime::cache_sizes().second / (3 * cols * static_cast<Index>(sizeof(double)));
  block = std::clamp(fitting / grain * grain, least, most);
  runs = std::min(most_runs, count());
}

template <class S>
GramWorkspace carve_gram(Carver& carver, Index rows, Index cols, Index right_sides, int threads) {
  GramWorkspace workspace{RowBlocks(rows, cols), right_sides, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  const Sums total = carve_sums(carver, cols, right_sides);
  workspace.gram = total.gram;
  workspace.projections = total.projections;
  workspace.squares = total.squares;
  Carver run(nullptr), member(nullptr);
  carve_sums(run, cols, right_sides);
  carve_own<S>(member, workspace.blocks, right_sides);
  workspace.run_bytes = run.used();
  workspace.member_bytes = member.used();
  workspace.runs = carver.take<std::byte>(workspace.blocks.runs * run.used());
  workspace.members = carver.take<std::byte>(threads * member.used());
  workspace.cholesky = carve_cholesky<double>(carver, cols, threads);
  workspace.failed = carver.take<Index>(1);
  return workspace;
}

template <class S>
void multiply_by_itself(const runtime::Team& team, MatrixView<const S> a,
                        const GramWorkspace& workspace) {
  Pass<S>{a, {}, {}, true, workspace}.run(team);
}

template <class S>
void project(const runtime::Team& team, MatrixView<const S> a, MatrixView<const S> b,
             const Columns<double>& x, bool gram, const GramWorkspace& workspace) {
  Pass<S>{a, b, x, gram, workspace}.run(team);
}

bool find_triangle(const runtime::Team& team, const GramWorkspace& workspace) {
  const MatrixView<double>& gram = workspace.gram;
  const MatrixView<double>& lower = workspace.cholesky.lower;
  const Index n = gram.rows;
  for (Index j = 0; j < n; ++j) {
    // The square of whatever is lost below the least double is negligible against the square of a
    // column within these bounds, and nothing that is made of such columns overflows. What is not
    // finite in A makes its column's square infinite or NaN.
    const double square = gram.data[j * gram.row_stride + j];
    if (!(square >= 0x1p-500 && square <= 0x1p+500)) return false;
  }
  const runtime::Range mine = team.share(n);
  for (Index i = mine.begin; i < mine.end; ++i) {
    double* const row = lower.data + i * lower.row_stride;
    for (Index j = 0; j <= i; ++j) row[j] = gram.data[j * gram.row_stride + i];
    std::fill(row + i + 1, row + n, 0.0);
  }
  team.barrier();
  factor(team, workspace.cholesky, workspace.failed);
  if (*workspace.failed > 0) return false;
  for (Index i = mine.begin; i < mine.end; ++i) {
    double* const row = lower.data + i * lower.row_stride;
    std::fill(row + i + 1, row + n, 0.0);
  }
  team.barrier();
  return true;
}

template <class S>
void multiply_rows(const runtime::Team& team, MatrixView<const S> a,
                   const MatrixView<double>& right, MatrixView<S> out,
                   const GramWorkspace& workspace) {
  const RowBlocks& blocks = workspace.blocks;
  const Own mine = Pass<S>{a, {}, {}, false, workspace}.own(team);
  // The product is made in the order that the result has in memory.
  const bool by_columns = out.row_stride == 1;
  const runtime::Range range = team.share(blocks.count());
  for (Index k = range.begin; k < range.end; ++k) {
    const runtime::Range rows = {k * blocks.block, std::min(a.rows, (k + 1) * blocks.block)};
    const MatrixView<const double> block = load(a, rows, mine.block);
    const MatrixView<S> part = {out.data + rows.begin * out.row_stride, rows.size(), out.cols,
                                out.row_stride, out.col_stride};
    const MatrixView<S> lines = by_columns ? transposed(part) : part;
    const MatrixView<const double> factor = {right.data, right.rows, right.cols, right.row_stride,
                                             right.col_stride};
    ops::Gemm<double> product;
    product.a = by_columns ? transposed(factor) : block;
    product.b = by_columns ? transposed(block) : factor;
    product.c = {mine.rest.data, lines.rows, lines.cols, mine.rest.stride, 1};
    if constexpr (std::is_same_v<S, double>) {
      if (lines.col_stride == 1) product.c = lines;
    }
    ops::gemm(runtime::Team(), product, mine.gemm);
    if (std::is_same_v<S, double> && lines.col_stride == 1) continue;
    for (Index i = 0; i < lines.rows; ++i) {
      const double* const from = mine.rest[i];
      S* const to = lines.data + i * lines.row_stride;
      if (lines.col_stride == 1) {
        for (Index j = 0; j < lines.cols; ++j) to[j] = static_cast<S>(from[j]);
      } else {
        for (Index j = 0; j < lines.cols; ++j) to[j * lines.col_stride] = static_cast<S>(from[j]);
      }
    }
  }
  team.barrier();
}

#define UNITGAIN_INSTANTIATE(S)                                                            \
  template GramWorkspace carve_gram<S>(Carver&, Index, Index, Index, int);                 \
  template void multiply_by_itself<S>(const runtime::Team&, MatrixView<const S>,           \
                                      const GramWorkspace&);                               \
  template void project<S>(const runtime::Team&, MatrixView<const S>, MatrixView<const S>, \
                           const Columns<double>&, bool, const GramWorkspace&);            \
  template void multiply_rows<S>(const runtime::Team&, MatrixView<const S>,                \
                                 const MatrixView<double>&, MatrixView<S>, const GramWorkspace&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
