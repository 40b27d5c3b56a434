// Products whose result is small against an operand: their speed is that of reading it once.
#pragma once

#include "ops/gemm.hpp"
#include "simd/kernels/gemm.hpp"

namespace unitgain::ops {

// Whether kernels for few rows take them.
inline bool has_thin_rows(Index rows) {
  return rows > 0 && rows <= simd::most_thin_rows;
}

// Whether so many values, of `size` bytes each, are more than the second-level cache has room for
// beside others.
bool is_large(Index values, std::size_t size);

// Whether the product has so few columns that multiply_thin() does it by dots of rows of A, in row
// order, with columns of B.
template <class T>
bool is_dotted(const Gemm<T>& problem);

// Does the product and returns true if it is thin, with an operand order that one of the ways below
// reads well; otherwise returns false at once. Neither answer nor bits depend on the team.
template <class T>
bool multiply_thin(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);

// Bytes of workspace that multiply_thin() may need.
template <class T>
Index thin_workspace(Index m, Index n, Index k, int threads);

// Multiplies the last columns of C, where they would fill little of a vector and another way is
// less work, and returns how many these are; of the rest it touches nothing.
template <class T>
Index multiply_edge(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace);

// How many these may be, of n columns.
template <class T>
Index edge_cols(Index n);

// Bytes of workspace that multiply_edge() may need.
template <class T>
Index edge_workspace(Index m, Index n, Index k, int threads);

}  // namespace unitgain::ops
