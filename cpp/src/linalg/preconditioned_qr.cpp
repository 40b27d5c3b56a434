// The product of A with itself squares A's condition, and what Cholesky's decomposition makes of it
// is as far off. So A is first divided by a triangle P that makes A P^-1 nearly orthonormal, row by
// row from the equations q P = a, each of which is solved for a P that is off by its roundings
// alone: |A - (A P^-1) P| is of the order of e |A|, e double's epsilon, whatever the condition. The
// rest, of a matrix of small condition, loses no more: Yamamoto, Nakatsukasa, Yanagisawa and
// Fukaya, "Roundoff error analysis of the CholeskyQR2 algorithm", 2015.
//
// P is from a sketch. Nothing is taken on trust: the condition of A P^-1 is measured, and if it is
// large, as it could be of a matrix made for these sums, another path is taken.
//
// A may be singular. So it stands on `floor` times the identity, some e |A|, which moves singular
// values by no more than the rounding of A does, and makes R regular.
#include "linalg/preconditioned_qr.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/sketch.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// Columns of A P^-1 that are eliminated at a time.
constexpr Index leaf = 24;

// The most that the norms of S and of its inverse may multiply to, in the Frobenius norm, for each
// column: 1 of the orthonormal, some 2 of a sketch as expected.
constexpr double largest_condition_per_column = 32;

void factor_sketch(const runtime::Team& team, const PreconditionedQr& qr) {
  const MatrixView<double>& sums = qr.sums;
  const Columns<double>& columns = qr.sketch.q.tails;
  const runtime::Range mine = team.share(sums.cols);
  for (Index j = mine.begin; j < mine.end; ++j) {
    double* const column = columns[j];
    for (Index i = 0; i < sums.rows; ++i) column[i] = sums.data[i * sums.row_stride + j];
    std::fill(column + sums.rows, column + columns.rows, 0.0);
    column[sums.rows + j] = qr.floor();
  }
  team.barrier();
  factor(team, qr.sketch);
  // Each row by what makes its diagonal element a power of two: so that division by it, column by
  // column of A, has no rounding error that is the same for all rows.
  for (Index j = mine.begin; j < mine.end; ++j) {
    double* const column = qr.first[j];
    for (Index i = 0; i < j; ++i) {
      int exponent;
      column[i] = columns[j][i] / std::frexp(columns[i][i], &exponent);
    }
    column[j] = std::ldexp(1.0, std::ilogb(columns[j][j]) + 1);
    std::fill(column + j + 1, column + sums.cols, 0.0);
  }
}

// qr.first, the triangle of the sketch above `floor` times the identity; false if A is not for it.
template <class S>
bool precondition(const runtime::Team& team, const MatrixView<const S>& a,
                  const PreconditionedQr& qr) {
  const MatrixView<double>& sums = qr.sums;
  Carver carver(qr.of_threads + team.rank() * qr.bytes_per_thread);
  find_sums(team, a, sums, carver.take<double>(sketch_scratch(sums.cols)));
  if (team.rank() == 0) {
    double square = 0;
    for (Index i = 0; i < sums.rows; ++i) {
      const double* const row = sums.data + i * sums.row_stride;
      square += runtime::kernels<double>().vector->dot(row, row, sums.cols);
    }
    // Neither squares of what matters nor their sums are lost or overflow within these bounds. What
    // is not finite in A makes sums infinite or NaN.
    *qr.size = square >= 0x1p-500 && square <= 0x1p+500 ? std::sqrt(square) : 0;
  }
  team.barrier();
  if (*qr.size == 0) return false;
  for_triangle(team, sums.cols, [&](const runtime::Team& few) { factor_sketch(few, qr); });
  return true;
}

// x = P^-T x for the first `rows` of each line of x, a line for each column of P.
void divide_block(const Columns<double>& p, const Columns<double>& x, Index rows) {
  const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
  const simd::GemmKernels<double>& kernels = *runtime::kernels<double>().gemm;
  const Index n = p.count;
  for (Index first = 0; first < n; first += leaf) {
    const Index end = std::min(first + leaf, n);
    for (Index j = first; j < end; ++j) {
      for (Index i = first; i < j; i += 4) {
        double weights[4];
        const double* lines[4];
        for (Index l = 0; l < 4; ++l) {
          lines[l] = x[std::min(i + l, j - 1)];
          weights[l] = i + l < j ? -p[j][i + l] : 0;
        }
        vector.axpy4(weights, lines, x[j], rows);
      }
      vector.scale(1 / p[j][j], x[j], rows);
    }
    for (Index k = 0; k < rows; k += kernels.nr) {
      const simd::RightPanel<double> panel = {x[first] + k, x.stride, nullptr, nullptr, 0};
      for (Index i = end; i < n; i += kernels.mr) {
        kernels.tile(end - first, p[i] + first, p.stride, 1, panel, -1.0, 1.0, x[i] + k, x.stride,
                     std::min(kernels.mr, n - i), std::min(kernels.nr, rows - k));
      }
    }
  }
}

// One run's sums.
struct Sums {
  MatrixView<double> gram;
  double* projections;
};

Sums carve_sums(Carver& carver, Index cols, Index right_sides) {
  const Index stride = column_stride<double>(cols);
  return {{carver.take<double>(cols * stride), cols, cols, stride, 1},
          carver.take<double>(cols * right_sides)};
}

// One thread's state beside its buffers.
struct Own {
  BlockBuffers buffers;
  Columns<double> lines;  // of A P^-1, where it is not kept
};

template <class S>
Own carve_own(Carver& carver, const RowBlocks& blocks, Index right_sides) {
  return {carve_buffers<S>(carver, blocks, right_sides),
          carver.take_columns<double>(blocks.block, blocks.cols)};
}

// The pass over A that forms A P^-1 and its products with itself and with B.
template <class S>
class Pass {
 public:
  Pass(const MatrixView<const S>& a, const MatrixView<const S>& b, const PreconditionedQr& qr)
      : a_(a), b_(b), qr_(qr), blocks_(qr.blocks) {}

  void run(const runtime::Team& team) const {
    Carver carver(qr_.of_threads + team.rank() * qr_.bytes_per_thread);
    const Own own = carve_own<S>(carver, blocks_, qr_.right_sides);
    const Index n = blocks_.cols;
    const Index floor_blocks = (n + blocks_.block - 1) / blocks_.block;
    const runtime::Range mine = team.share(blocks_.runs);
    for (Index r = mine.begin; r < mine.end; ++r) {
      const Sums to = sums(r);
      std::fill_n(to.projections, n * b_.cols, 0.0);
      const runtime::Range run =
          runtime::Team::share(r, blocks_.runs, blocks_.count() + floor_blocks);
      for (Index k = run.begin; k < run.end; ++k) {
        const MatrixView<double> block =
            k < blocks_.count() ? divide(k, own, to) : divide_floor(k - blocks_.count(), own);
        add_gram({block.data, block.rows, n, 1, block.col_stride}, own.buffers, k == run.begin,
                 to.gram);
      }
    }
    team.barrier();
    add_up(team);
  }

 private:
  Sums sums(Index run) const {
    Carver carver(qr_.runs + run * qr_.run_bytes);
    return carve_sums(carver, blocks_.cols, qr_.right_sides);
  }

  MatrixView<double> divide(Index k, const Own& own, const Sums& to) const {
    const runtime::Range rows = blocks_.range(k);
    const MatrixView<const double> block = load_rows(a_, rows, own.buffers.block);
    Columns<double> lines = own.lines;
    if (qr_.kept != nullptr) lines.data = qr_.kept + k * lines.stride * lines.count;
    runtime::kernels<double>().thin_gemm->pack_columns(block.data, block.row_stride,
                                                       block.col_stride, block.rows, block.cols,
                                                       lines.data, lines.stride);
    divide_block(qr_.first, lines, rows.size());
    if (b_.cols > 0) add_projections(rows, lines, own, to);
    return {lines.data, rows.size(), lines.count, 1, lines.stride};
  }

  void add_projections(runtime::Range rows, const Columns<double>& lines, const Own& own,
                       const Sums& to) const {
    const Columns<double>& right = own.buffers.rest;
    for (Index c = 0; c < b_.cols; ++c) {
      const S* const from = b_.data + rows.begin * b_.row_stride + c * b_.col_stride;
      for (Index i = 0; i < rows.size(); ++i) right[c][i] = from[i * b_.row_stride];
    }
    ops::Gemm<double> product;
    product.a = {right.data, b_.cols, rows.size(), right.stride, 1};
    product.b = {lines.data, rows.size(), lines.count, 1, lines.stride};
    product.c = {to.projections, b_.cols, lines.count, lines.count, 1};
    product.beta = 1;
    ops::gemm(runtime::Team(), product, own.buffers.gemm);
  }

  // Rows of P^-1, times the floor.
  MatrixView<double> divide_floor(Index k, const Own& own) const {
    const Columns<double>& lines = own.lines;
    const Index first = k * blocks_.block, rows = std::min(blocks_.block, lines.count - first);
    for (Index j = 0; j < lines.count; ++j) std::fill_n(lines[j], rows, 0.0);
    for (Index i = 0; i < rows; ++i) lines[first + i][i] = qr_.floor();
    divide_block(qr_.first, lines, rows);
    return {lines.data, rows, lines.count, 1, lines.stride};
  }

  // The sums of all runs, the product of A P^-1 with itself into the lower triangle that Cholesky
  // wants.
  void add_up(const runtime::Team& team) const {
    const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
    const Index n = blocks_.cols;
    const MatrixView<double> total = sums(0).gram;
    for (Index i = team.rank(); i < n; i += team.size()) {
      add_runs(blocks_.runs, [&](Index to, Index from) {
        double* const row = sums(to).gram.data + i * total.row_stride + i;
        vector.add(row, sums(from).gram.data + i * total.row_stride + i, row, n - i);
      });
    }
    for (Index c = team.rank(); c < b_.cols; c += team.size()) {
      add_runs(blocks_.runs, [&](Index to, Index from) {
        double* const products = sums(to).projections + c * n;
        vector.add(products, sums(from).projections + c * n, products, n);
      });
      std::copy_n(sums(0).projections + c * n, n, qr_.projections + c * n);
    }
    team.barrier();
    const MatrixView<double>& lower = qr_.cholesky.lower;
    const runtime::Range mine = team.share(n);
    for (Index i = mine.begin; i < mine.end; ++i) {
      double* const row = lower.data + i * lower.row_stride;
      for (Index j = 0; j <= i; ++j) row[j] = total.data[j * total.row_stride + i];
      std::fill(row + i + 1, row + n, 0.0);
    }
    team.barrier();
  }

  MatrixView<const S> a_, b_;
  const PreconditionedQr& qr_;
  const RowBlocks& blocks_;
};

// S and its inverse, and R; *qr.failed if the condition of S is large.
void find_triangles(const runtime::Team& team, const PreconditionedQr& qr) {
  const MatrixView<double>& lower = qr.cholesky.lower;
  const Index n = lower.rows;
  factor(team, qr.cholesky, qr.failed);
  if (*qr.failed > 0) return;
  const runtime::Range mine = team.share(n);
  for (Index i = mine.begin; i < mine.end; ++i) {
    double* const row = lower.data + i * lower.row_stride;
    std::fill(row + i + 1, row + n, 0.0);
  }
  team.barrier();
  const double condition = invert(team, qr.second(), qr.second_inverse);
  if (!(condition <= largest_condition_per_column * static_cast<double>(n))) {
    if (team.rank() == 0) *qr.failed = 1;
    return;
  }
  ops::Gemm<double> product;
  product.a = {qr.first.data, n, n, qr.first.stride, 1};
  product.b = {lower.data, n, n, lower.row_stride, 1};
  product.c = {qr.triangle.data, n, n, qr.triangle.stride, 1};
  ops::gemm(team, product, qr.gemm);
  for (Index c = team.rank(); c < qr.right_sides; c += team.size()) {
    divide_by_triangle(qr.second(), true, qr.projections + c * n);
  }
}

}  // namespace

double PreconditionedQr::floor() const {
  return std::numeric_limits<double>::epsilon() * *size;
}

template <class S>
PreconditionedQr carve_preconditioned_qr(Carver& carver, Index rows, Index cols, Index right_sides,
                                         bool keep, int threads) {
  PreconditionedQr qr{RowBlocks(rows, cols),
                      right_sides,
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {},
                      {}};
  const Index stride = column_stride<double>(cols), size = sketch_rows(cols);
  qr.sketch = carve_householder<double>(carver, size + cols, cols, cols, threads);
  qr.sums = {carver.take<double>(size * stride), size, cols, stride, 1};
  qr.first = carver.take_columns<double>(cols, cols);
  qr.cholesky = carve_cholesky<double>(carver, cols, threads);
  qr.second_inverse = carve_triangle_inverse<double>(carver, cols, threads);
  qr.triangle = carver.take_columns<double>(cols, cols);
  qr.projections = carver.take<double>(cols * right_sides);
  const Index block_values = column_stride<double>(qr.blocks.block) * cols;
  qr.kept = keep ? carver.take<double>(qr.blocks.count() * block_values) : nullptr;
  Carver run(nullptr), own(nullptr), chunk(nullptr);
  carve_sums(run, cols, right_sides);
  carve_own<S>(own, qr.blocks, right_sides);
  chunk.take<double>(sketch_scratch(cols));
  qr.run_bytes = run.used();
  qr.bytes_per_thread = runtime::thread_bytes(std::max(own.used(), chunk.used()));
  qr.runs = carver.take<std::byte>(qr.blocks.runs * qr.run_bytes);
  qr.of_threads = carver.take<std::byte>(threads * qr.bytes_per_thread);
  qr.gemm = carver.take<std::byte>(ops::gemm_workspace<double>(cols, cols, cols, threads));
  qr.size = carver.take<double>(1);
  qr.failed = carver.take<Index>(1);
  return qr;
}

template <class S>
bool factor(const runtime::Team& team, MatrixView<const S> a, MatrixView<const S> b,
            const PreconditionedQr& qr) {
  if (!precondition(team, a, qr)) return false;
  Pass<S>(a, b, qr).run(team);
  for_triangle(team, a.cols, [&](const runtime::Team& few) { find_triangles(few, qr); });
  return *qr.failed == 0;
}

template <class S>
void multiply_kept(const runtime::Team& team, const MatrixView<double>& right, MatrixView<S> out,
                   const PreconditionedQr& qr) {
  Carver carver(qr.of_threads + team.rank() * qr.bytes_per_thread);
  const Own own = carve_own<S>(carver, qr.blocks, qr.right_sides);
  const Columns<double>& lines = own.lines;
  const runtime::Range mine = team.share(qr.blocks.count());
  for (Index k = mine.begin; k < mine.end; ++k) {
    const runtime::Range rows = qr.blocks.range(k);
    multiply_block<S>(
        {qr.kept + k * lines.stride * lines.count, rows.size(), lines.count, 1, lines.stride},
        right,
        {out.data + rows.begin * out.row_stride, rows.size(), out.cols, out.row_stride,
         out.col_stride},
        own.buffers);
  }
  team.barrier();
}

#define UNITGAIN_INSTANTIATE(S)                                                                  \
  template PreconditionedQr carve_preconditioned_qr<S>(Carver&, Index, Index, Index, bool, int); \
  template bool factor<S>(const runtime::Team&, MatrixView<const S>, MatrixView<const S>,        \
                          const PreconditionedQr&);                                              \
  template void multiply_kept<S>(const runtime::Team&, const MatrixView<double>&, MatrixView<S>, \
                                 const PreconditionedQr&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
