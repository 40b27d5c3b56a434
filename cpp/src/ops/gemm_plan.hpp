// The path of a product: chosen once, and read by what runs it and by who takes its workspace.
#pragma once

#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"

namespace unitgain::ops {

// In the order in which they are tried; gemm_plan.cpp says of each when it is taken.
enum class Route {
  small_shallow,  // one thread, without workspace: of little depth,
  small_rows,     //   of one or two rows,
  small_tiles,    //   tile after tile
  split,          // on kernels that multiply in bfloat16 terms
  shallow,        // of little depth: C is written once, along memory
  packed_rows,    // few rows against packed panels
  deep,           // a small result, the depth in parts
  dots,           // rows by rows, both operands with their depth along memory
  summed,         // few rows: sums of B's rows
  turned_vector,  // one column: the same of the transposes
  turned,         // few columns, of a left operand in column order: the product of the transposes
  dotted,         // few columns, of a left operand in row order: dots with copied columns
  at_once,        // up to some rows: what a thread packs is its own
  blocks,         // the five loops: blocks of B are the team's
};

// How last columns that would fill little of a vector are done, with the route at_once or blocks.
enum class Edge { none, dotted, turned };

// The sizes that the choice depends on, beside the operands' order.
struct GemmSize {
  Index m, n, k;
  bool packed;                          // B is read from panels that were packed beforehand
  const simd::SplitGemmKernels* split;  // that it pays for, or that B is packed for; null: none
};

// Neither the choice nor the order of any sum depends on the team.
template <class T>
struct GemmPlan {
  GemmSize size;
  Route route;
  Edge edge = Edge::none;
  Index edge_cols = 0;  // the others are done by the route
  Blocks blocks = {};   // of split, packed_rows, at_once and blocks
  Index group;          // rows to one row of partial sums

  bool is_small() const { return route <= Route::small_tiles; }
  // Bytes of workspace for a team of that many at most.
  Index bytes(int threads) const;
  // Of these, what the edge takes.
  Index edge_bytes(int threads) const;
};

template <class T>
GemmPlan<T> plan_gemm(const Gemm<T>& problem);

// Runs the problem that the plan was made for, but for its pointers.
template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, const GemmPlan<T>& plan,
          std::byte* workspace);

template <class T>
TileShape tile_shape() {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  return {kernels.mr, kernels.nr, static_cast<Index>(sizeof(T)), 1};
}

// Where the panels of a B of n columns lie that was packed for the plain kernels: for each pass
// over the depth, in blocks of plain_depth(), those of its columns.
template <class T>
struct PlainLayout {
  explicit PlainLayout(Index n) : nr(tile_shape<T>().nr), width(round_up(n, nr)) {}

  Index nr, width;

  // Of the panel that begins with this column, in values.
  Index offset(const Pass& pass, Index col) const { return pass.first * width + col * pass.depth; }
};

template <class T>
Index plain_depth(Index k) {
  const TileShape tile = tile_shape<T>();
  return choose_blocks(tile, tile.mr, tile.nr, k).kc;
}

}  // namespace unitgain::ops
