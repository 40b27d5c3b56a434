// How a product is cut: into blocks that the caches hold, and into shares of a team.
#pragma once

#include "ops/gemm_tuning.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::ops {

constexpr Index ceil_div(Index a, Index b) {
  return (a + b - 1) / b;
}
constexpr Index round_up(Index a, Index b) {
  return ceil_div(a, b) * b;
}

// The shape of a kernel's tile, and the bytes of an operand's value in its panels.
struct TileShape {
  Index mr, nr;
  Index value_bytes;
  Index depth_step;  // the packed depth is a multiple of it
  Index most_depth = tuning::most_block_depth;
};

// Rows, columns and depth of a block.
struct Blocks {
  Index mc, nc, kc;
};

// The depth depends on the tile and on k alone: it is what the sums' order hangs on.
Blocks choose_blocks(const TileShape& tile, Index m, Index n, Index k);

// One pass over the depth, [first, first + depth) of it.
struct Pass {
  Index first, depth;
  bool is_last;
};

// Calls body(pass) for k in blocks of kc, once at least.
template <class Body>
void for_each_pass(Index k, Index kc, Body&& body) {
  for (Index first = 0; first == 0 || first < k; first += kc) {
    const Index depth = std::min(kc, k - first);
    body(Pass{first, depth, first + depth >= k});
  }
}

template <class T>
MatrixView<T> block(const MatrixView<T>& view, Index row, Index col, Index rows, Index cols) {
  return {view.data + row * view.row_stride + col * view.col_stride, rows, cols, view.row_stride,
          view.col_stride};
}

template <class T>
MatrixView<T> transposed(const MatrixView<T>& view) {
  return {view.data, view.cols, view.rows, view.col_stride, view.row_stride};
}

// One thread's rectangle of the tiles of a block, as ranges of row panels and of column panels. The
// team is laid out as a grid so that the largest share is smallest, or among those that are nearly,
// has the fewest columns (`tall`); among equals otherwise, one of many columns.
struct Share {
  runtime::Range rows, cols;
};
Share share_tiles(const runtime::Team& team, Index row_panels, Index col_panels, bool tall);
// The same in a grid of so many parts of the rows, a divisor of the team's size.
Share share_grid(const runtime::Team& team, int row_parts, Index row_panels, Index col_panels);

// Into how many parts a product that is done at once cuts its rows: a thread reads all of A or all
// of B, whichever is the smaller.
int row_parts(const TileShape& tile, Index m, Index n, int team_size);

// Whether so many values, of `size` bytes each, are more than the second-level cache has room for
// beside others.
bool is_large(Index values, std::size_t size);

// Bytes of memory for that many, in whole cache lines.
Index line_bytes(Index bytes);

// Of workspace for one thread: a panel of B, and the panels of so many rows of A.
Index panel_bytes(const Blocks& blocks, const TileShape& tile);
Index left_bytes(const Blocks& blocks, const TileShape& tile, Index rows);
// For a team: all that it takes to do a product at once, of so many rows a thread; a block of B.
Index at_once_bytes(const Blocks& blocks, const TileShape& tile, Index rows, int team_size);
Index right_bytes(const Blocks& blocks, const TileShape& tile);
// The rows of the largest of so many parts.
Index most_rows(const TileShape& tile, Index m, int row_parts);

}  // namespace unitgain::ops
