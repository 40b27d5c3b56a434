// Matrix products.
#pragma once

#include <cstdint>

#include "simd/kernels/tile_epilogue.hpp"
#include "unitgain/types.hpp"

namespace unitgain::simd {

// The depth stride that stands for a packed panel: no stride of an operand in place can be this.
inline constexpr Index packed_panel = INT64_MIN;

// A panel of B for a tile: packed, or in place.
template <class T>
struct RightPanel {
  const T* data;
  Index depth_stride;  // packed_panel, or the stride of rows of unit column stride
  T* packed;           // where a panel in place is packed on the way; null: nowhere
  // A panel in place that a later tile will read, to be fetched into the second-level cache
  // meanwhile: as deep as this one, its rows' stride. Null: none.
  const T* fetch;
  Index fetch_stride;
};

template <class T>
struct GemmKernels {
  Index mr;  // rows of the micro-tile
  Index nr;  // columns of the micro-tile

  // Packs the m x k matrix A into ceil(m / mr) panels. A panel holds, for each column of A in turn,
  // the panel's mr values; rows beyond m are zero.
  void (*pack_a)(const T* a, Index row_stride, Index col_stride, Index m, Index k, T* packed);
  // Packs the k x n matrix B into ceil(n / nr) panels. A panel holds, for each row of B in turn,
  // the panel's nr values; columns beyond n are zero.
  void (*pack_b)(const T* b, Index row_stride, Index col_stride, Index k, Index n, T* packed);
  // C = alpha A B + beta C for one tile, m <= mr, n <= nr. A is a panel as packed above (depth
  // stride packed_panel), or lies in place with any row stride and depth stride. When beta is 0, C
  // is not read. The sum over k runs in one order, whatever the operands' layout and the tile's
  // size.
  void (*tile)(Index k, const T* a, Index a_row_stride, Index a_depth_stride,
               const RightPanel<T>& b, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
  // C = alpha product + beta C, m x n.
  void (*store)(const T* product, Index product_stride, T alpha, T beta, T* c, Index c_row_stride,
                Index m, Index n);
  // Of one tile, m <= mr, n <= nr.
  void (*epilogue)(T* c, Index row_stride, Index m, Index n, const TileEpilogue<T>& epilogue);
};

// Products that a tile does not suit. When beta is 0, C is not read.
template <class T>
struct ThinGemmKernels {
  Index most_depth;  // of `shallow`

  // C = alpha A B + beta C of an A of at most most_depth columns, any size and strides: B and C
  // have unit column stride.
  void (*shallow)(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                  Index b_row_stride, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
  // C = alpha A B^T + beta C of m x k and n x k matrices with unit column stride, any size: for a
  // C of few rows or columns.
  void (*dots)(Index k, const T* a, Index a_stride, Index m, const T* b, Index b_stride, Index n,
               T alpha, T beta, T* c, Index c_row_stride, Index c_col_stride);
  // Copies the columns of the k x n matrix B, `stride` apart.
  void (*pack_columns)(const T* b, Index row_stride, Index col_stride, Index k, Index n, T* columns,
                       Index stride);
  // C += A B, m of at most most_thin_rows: reads the rows of B along memory, each once. B and C
  // have unit column stride. `far`: B is larger than the second-level cache holds.
  void (*add_rows)(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                   Index b_row_stride, bool far, T* c, Index c_row_stride, Index m, Index n);
  // C = alpha A B + beta C for a packed panel of B (GemmKernels::pack_b), m of at most
  // most_thin_rows, n of at most the panel's columns. C has unit column stride. `far`: as above, of
  // the panels that one thread multiplies.
  void (*panel)(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* panel,
                bool far, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
};
// The most rows of `add_rows` and `panel`.
inline constexpr Index most_thin_rows = 4;

}  // namespace unitgain::simd
