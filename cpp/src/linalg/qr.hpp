// Householder QR with column pivoting, for a team (see runtime/parallel.hpp).
#pragma once

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

inline constexpr Index reflector_group = 4;

// Four consecutive reflectors as one: H_k ... H_{k+3} = I - V t V^T, t upper triangular (Schreiber
// and Van Loan, "A storage-efficient WY representation for products of Householder
// transformations", 1989). V's first four rows are `top`; the rest are the four tails.
template <class T>
struct ReflectorGroup {
  T t[reflector_group][reflector_group];
  T top[reflector_group][reflector_group];
  const T* tail[reflector_group];
};

// A P = Q R of a matrix with at least as many rows as columns. Columns are not moved: order[k] is
// the column that was eliminated in step k. The column eliminated in step k ends as
//   rows 0 ... k-1: that column of R,
//   row k:          what the elimination found there; r_kk itself is diagonal[k],
//   rows k+1 ...:   the tail of v_k, whose first element is head[k]; H_k = I - factor[k] v_k v_k^T.
// Entries must be scaled so that sums of squares of a column neither overflow nor lose what matters
// to underflow.
template <class T>
struct PivotedQr {
  Columns<T> columns;
  Index* order;
  T* diagonal;
  T* head;
  T* factor;
  T* squares;                 // 2 * columns.count: squared norms of what is left of each column
  ReflectorGroup<T>* groups;  // one for each four columns
  Index* steps;               // reflectors found; the rows of R beyond are zero
};

template <class T>
PivotedQr<T> carve_qr(Carver& carver, Index rows, Index count);

// Fills qr from qr.columns. Ends with a barrier.
template <class T>
void factor(const runtime::Team& team, const PivotedQr<T>& qr);

// x = Q x for each column of x, which has as many rows as qr.columns.
template <class T>
void apply_q(const runtime::Team& team, const PivotedQr<T>& qr, Columns<T> x);

// inverse[order[i]] = row i of R^-1, filled up with zeros. Returns ||R|| ||R^-1|| in the Frobenius
// norm, an upper bound of the condition number. It is infinite or NaN if R is singular or nearly
// so, and then `inverse` is of no use. `squares` is scratch for two values a column, which threads
// may still read afterwards.
template <class T>
double invert_r(const runtime::Team& team, const PivotedQr<T>& qr, Columns<T> inverse,
                double* squares);

}  // namespace unitgain::linalg
