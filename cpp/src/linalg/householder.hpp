// QR by Householder reflectors in blocks: nearly all of it is matrix products.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "linalg/columns.hpp"
#include "ops/gemm.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

// Reflectors to a block I - V T V^T (Schreiber and Van Loan, "A storage-efficient WY representation
// for products of Householder transformations", 1989). More make the products more efficient, and
// the share of the work that is not in products larger.
inline constexpr Index block_width = 32;

// The rest of a column counts as zero if its square is below this: the squares of its
// elements would not keep their precision.
template <class T>
inline constexpr T least_square = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();

// I - tau v v^T turns a vector of which the head and the square of the tail are given into (end,
// 0): v = (1, scale tail). The factor tau is that of the scale as it was rounded, for otherwise
// what that rounding did to all of v would add up over the reflectors of a matrix with equal
// entries.
template <class T>
struct Reflector {
  T end, tau = 0, scale = 0;

  Reflector(T head, T square) : end(head) {
    using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
    if (!(square >= least_square<T>)) return;
    const Wide length = std::sqrt(Wide(head) * head + square);
    end = static_cast<T>(head > 0 ? -length : length);
    scale = static_cast<T>(1 / (head > 0 ? head + length : head - length));
    tau = static_cast<T>(2 / (1 + Wide(scale) * scale * square));
  }
};

// The blocks of reflectors H_0 H_1 ... in the columns of a matrix. Reflector k is I - tau[k] v v^T;
// v is 0 above element k + offset and 1 there, and column k of `tails` has the rest.
template <class T>
struct Reflectors {
  Columns<T> tails;
  T* tau;
  T* triangles;  // T of each block, upper triangular, block_width values a row
  Index offset = 0;

  Index count() const { return std::min(tails.count, tails.rows - offset); }
  T* triangle(Index first) const { return triangles + first * block_width; }
};

// The workspace of multiplying by a block of reflectors.
template <class T>
struct BlockWorkspace {
  Columns<T> v;  // the block at hand, with its ones and zeros
  T* products;   // V^T X
  T* turned;     // T V^T X
  Index stride;  // of both, between rows
  std::byte* gemm;
  std::byte* of_threads;  // of each thread, one for itself
  Index bytes_per_thread;
};

// For products of blocks with up to `count` vectors of `rows` values.
template <class T>
BlockWorkspace<T> carve_block_workspace(Carver& carver, Index rows, Index count, int threads);

// Unpacks the block of `width` reflectors from `first` on into workspace.v, from row first + offset
// on. Ends with a barrier.
template <class T>
void load_block(const runtime::Team& team, const Reflectors<T>& q, Index first, Index width,
                const BlockWorkspace<T>& workspace);

// Finds T of the block in workspace.v. Ends with a barrier.
template <class T>
void find_triangle(const runtime::Team& team, const Reflectors<T>& q, Index first, Index width,
                   const BlockWorkspace<T>& workspace);

// Finds T of all blocks. Ends with a barrier.
template <class T>
void find_triangles(const runtime::Team& team, const Reflectors<T>& q,
                    const BlockWorkspace<T>& workspace);

// x = H x or, transposed, H^T x for the block in workspace.v and each row x of `rows`, which has
// unit column stride and starts at the block's first row. Ends with a barrier.
template <class T>
void apply_block(const runtime::Team& team, const T* triangle, bool transposed, Index width,
                 MatrixView<T> rows, const BlockWorkspace<T>& workspace);

// x = Q x or, transposed, Q^T x for each row x of `rows`, as apply_block's. With `lower`, row j is
// 0 before element j, as the identity's is. Ends with a barrier.
template <class T>
void apply_q(const runtime::Team& team, const Reflectors<T>& q, bool transposed, MatrixView<T> rows,
             const BlockWorkspace<T>& workspace, bool lower = false);

// A = Q R: R on and above the diagonal of q.tails' columns. Entries must be scaled so that sums of
// squares of a column do not overflow, nor lose to underflow what matters.
template <class T>
struct HouseholderQr {
  Reflectors<T> q;
  BlockWorkspace<T> block;
  T* sums;   // of each chunk of rows, in two generations
  T* heads;  // the row that is being eliminated, in two generations
};

// For products of Q with up to `vectors` vectors.
template <class T>
HouseholderQr<T> carve_householder(Carver& carver, Index rows, Index cols, Index vectors,
                                   int threads);

// Decomposes the matrix in qr.q.tails. Ends with a barrier.
template <class T>
void factor(const runtime::Team& team, const HouseholderQr<T>& qr);

}  // namespace unitgain::linalg
