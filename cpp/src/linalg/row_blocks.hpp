// A tall matrix a block of rows at a time, in double: each block is read, and converted, once.
#pragma once

#include <algorithm>

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

// How the rows are cut, by the shape alone: blocks that stay in the second-level cache, and runs of
// blocks whose sums are added up in order, so that the result is the same for any team.
struct RowBlocks {
  Index rows, cols;
  Index block;  // rows of one
  Index runs;

  RowBlocks(Index matrix_rows, Index matrix_cols);
  Index count() const { return (rows + block - 1) / block; }
  runtime::Range range(Index k) const { return {k * block, std::min(rows, (k + 1) * block)}; }
};

// Calls add(to, from) for pairs of runs, until run 0 has the sum of all: in a tree, whose rounding
// errors are fewer than those of a chain.
template <class Add>
void add_runs(Index runs, Add&& add) {
  for (Index step = 1; step < runs; step *= 2) {
    for (Index run = 0; run + step < runs; run += 2 * step) add(run, run + step);
  }
}

// The buffers of one thread for a block.
struct BlockBuffers {
  double* block;         // the block at hand, where it cannot be used as it lies
  Columns<double> rest;  // room for max(block, cols) rows of as many values
  double* panels;        // the block, in panels of a right operand
  std::byte* gemm;
};

// For matrices of S and products with up to `right_sides` columns.
template <class S>
BlockBuffers carve_buffers(Carver& carver, const RowBlocks& blocks, Index right_sides);

// The block of rows as doubles: in place, or converted in the order that it has in memory.
template <class S>
MatrixView<const double> load_rows(const MatrixView<const S>& a, runtime::Range rows, double* to);

// gram = or += block^T block, its upper triangle and what of the tiles on the diagonal is below it.
void add_gram(const MatrixView<const double>& block, const BlockBuffers& own, bool first,
              const MatrixView<double>& gram);

// out = block right.
template <class S>
void multiply_block(const MatrixView<const double>& block, const MatrixView<double>& right,
                    const MatrixView<S>& out, const BlockBuffers& own);

}  // namespace unitgain::linalg
