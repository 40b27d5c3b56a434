#include "linalg/gram.hpp"

#include <algorithm>
#include <cmath>

#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

using ops::transposed;

// The largest sum of magnitudes of a symmetric matrix's row, by its upper triangle.
double norm_of_symmetric(const MatrixView<double>& a, double* sums) {
  std::fill_n(sums, a.rows, 0.0);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = i; j < a.cols; ++j) {
      const double magnitude = std::abs(a.data[i * a.row_stride + j]);
      sums[i] += magnitude;
      if (j > i) sums[j] += magnitude;
    }
  }
  return *std::max_element(sums, sums + a.rows);
}

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

// One pass over a matrix.
template <class S>
struct Pass {
  MatrixView<const S> a, b;
  Columns<double> x;
  bool gram;
  const GramWorkspace& workspace;

  BlockBuffers own(const runtime::Team& team) const {
    Carver carver(workspace.of_threads + team.rank() * workspace.bytes_per_thread);
    return carve_buffers<S>(carver, workspace.blocks, workspace.right_sides);
  }
  Sums sums(Index run) const {
    Carver carver(workspace.runs + run * workspace.run_bytes);
    return carve_sums(carver, workspace.blocks.cols, workspace.right_sides);
  }

  void run(const runtime::Team& team) const {
    const RowBlocks& blocks = workspace.blocks;
    const BlockBuffers mine = own(team);
    const runtime::Range range = team.share(blocks.runs);
    for (Index r = range.begin; r < range.end; ++r) {
      const Sums to = sums(r);
      std::fill_n(to.projections, blocks.cols * b.cols, 0.0);
      std::fill_n(to.squares, b.cols, 0.0);
      const runtime::Range own_blocks = runtime::Team::share(r, blocks.runs, blocks.count());
      for (Index k = own_blocks.begin; k < own_blocks.end; ++k) {
        const runtime::Range rows = blocks.range(k);
        const MatrixView<const double> block = load_rows(a, rows, mine.block);
        if (gram) add_gram(block, mine, k == own_blocks.begin, to.gram);
        if (b.cols > 0) add_projections(block, rows, mine, to);
      }
    }
    team.barrier();
    add_up(team);
  }

  void add_projections(const MatrixView<const double>& block, runtime::Range rows,
                       const BlockBuffers& mine, const Sums& to) const {
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
      const Index first = i * workspace.gram.row_stride + i;
      add_runs(runs, [&](Index to, Index from) {
        double* const row = sums(to).gram.data + first;
        vector.add(row, sums(from).gram.data + first, row, n - i);
      });
      std::copy_n(sums(0).gram.data + first, n - i, workspace.gram.data + first);
    }
    for (Index c = team.rank(); c < b.cols; c += team.size()) {
      add_runs(runs, [&](Index to, Index from) {
        double* const products = sums(to).projections + c * n;
        vector.add(products, sums(from).projections + c * n, products, n);
        sums(to).squares[c] += sums(from).squares[c];
      });
      std::copy_n(sums(0).projections + c * n, n, workspace.projections + c * n);
      workspace.squares[c] = sums(0).squares[c];
    }
    team.barrier();
  }
};

}  // namespace

template <class S>
GramWorkspace carve_gram(Carver& carver, Index rows, Index cols, Index right_sides, int threads) {
  GramWorkspace workspace{RowBlocks(rows, cols), right_sides, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  const Sums total = carve_sums(carver, cols, right_sides);
  workspace.gram = total.gram;
  workspace.projections = total.projections;
  workspace.squares = total.squares;
  Carver run(nullptr), own(nullptr);
  carve_sums(run, cols, right_sides);
  carve_buffers<S>(own, workspace.blocks, right_sides);
  workspace.run_bytes = run.used();
  workspace.bytes_per_thread = runtime::thread_bytes(own.used());
  workspace.runs = carver.take<std::byte>(workspace.blocks.runs * run.used());
  workspace.of_threads = carver.take<std::byte>(threads * workspace.bytes_per_thread);
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

GramInverse carve_gram_inverse(Carver& carver, Index cols, int threads) {
  const Index stride = column_stride<double>(cols);
  return {carve_triangle_inverse<double>(carver, cols, threads),
          {carver.take<double>(cols * stride), cols, cols, stride, 1},
          carver.take<std::byte>(ops::gemm_workspace<double>(cols, cols, cols, threads))};
}

// The inverse is Z Z^T where Z = R^-1 and R^T R = A^T A + E, E below some m roundings of |A|^2.
// With |Z|^2 |A|^2 below a certificate's bound that is a small part of the least eigenvalue of
// A^T A, so that what the computed inverse says of the condition holds for A.
double invert(const runtime::Team& team, const GramWorkspace& workspace,
              const GramInverse& result) {
  invert(team, workspace.triangle(), result.triangle);
  const MatrixView<double>& z = result.triangle.inverse;
  ops::Gemm<double> product;
  product.a = {z.data, z.rows, z.cols, z.row_stride, 1};
  product.b = {z.data, z.cols, z.rows, 1, z.row_stride};
  product.c = result.inverse;
  ops::gemm(team, product, result.gemm);
  team.barrier();
  double* const sums = result.triangle.squares;
  if (team.rank() == 0) {
    const double norm = norm_of_symmetric(workspace.gram, sums);
    sums[0] = std::sqrt(norm) * std::sqrt(norm_of_symmetric(result.inverse, sums));
  }
  team.barrier();
  return sums[0];
}

template <class S>
bool is_hopeless(const runtime::Team& team, MatrixView<const S> a, double limit,
                 const GramWorkspace& workspace, const GramInverse& inverse) {
  // Rows to a column: of the sample, and of matrices for which it takes little beside A^T A.
  constexpr Index sample_rows = 2, least_rows = 16;
  // The condition that so few rows of an orthonormal matrix may have, of up to a thousand columns.
  constexpr double inflation = 4;
  if (a.rows < least_rows * a.cols) return false;
  const Index rows = sample_rows * a.cols;
  GramWorkspace sample = workspace;
  sample.blocks = RowBlocks(rows, a.cols);
  multiply_by_itself<S>(team, {a.data, rows, a.cols, a.rows / rows * a.row_stride, a.col_stride},
                        sample);
  return !find_triangle(team, sample) || !(invert(team, sample, inverse) < inflation * limit);
}

template <class S>
void multiply_rows(const runtime::Team& team, MatrixView<const S> a,
                   const MatrixView<double>& right, MatrixView<S> out,
                   const GramWorkspace& workspace) {
  const RowBlocks& blocks = workspace.blocks;
  const BlockBuffers mine = Pass<S>{a, {}, {}, false, workspace}.own(team);
  const runtime::Range range = team.share(blocks.count());
  for (Index k = range.begin; k < range.end; ++k) {
    const runtime::Range rows = blocks.range(k);
    multiply_block<S>(load_rows(a, rows, mine.block), right,
                      {out.data + rows.begin * out.row_stride, rows.size(), out.cols,
                       out.row_stride, out.col_stride},
                      mine);
  }
  team.barrier();
}

#define UNITGAIN_INSTANTIATE(S)                                                            \
  template GramWorkspace carve_gram<S>(Carver&, Index, Index, Index, int);                 \
  template void multiply_by_itself<S>(const runtime::Team&, MatrixView<const S>,           \
                                      const GramWorkspace&);                               \
  template void project<S>(const runtime::Team&, MatrixView<const S>, MatrixView<const S>, \
                           const Columns<double>&, bool, const GramWorkspace&);            \
  template bool is_hopeless<S>(const runtime::Team&, MatrixView<const S>, double,          \
                               const GramWorkspace&, const GramInverse&);                  \
  template void multiply_rows<S>(const runtime::Team&, MatrixView<const S>,                \
                                 const MatrixView<double>&, MatrixView<S>, const GramWorkspace&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
