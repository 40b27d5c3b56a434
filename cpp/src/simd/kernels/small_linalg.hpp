// Decompositions of many small matrices at once: lane l of every vector belongs to matrix l, so
// that no sum runs across lanes and no loop has a rest. A matrix's bits do not depend on its
// neighbours.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// `lanes` matrices of one shape. Element (i, j) of matrix l is data[(j * rows + i) * lanes + l].
template <class T>
struct Interleaved {
  T* data;
  Index rows;
  Index cols;
};

// H_k = I - factor[k] v_k v_k^T, where v_k is column k of `vectors` from row k on; R's diagonal is
// `diagonal`, and its rest stands above that of `vectors`. Vectors of one value a lane.
template <class T>
struct InterleavedQr {
  Interleaved<T> vectors;
  T* factor;
  T* diagonal;
};

// Limits of one-sided Jacobi; see linalg/jacobi_svd.hpp.
struct JacobiLimits {
  double least_length;  // columns shorter than this are taken for zero
  int most_sweeps;
};

template <class T>
struct SmallLinalgKernels {
  Index lanes;

  // largest[l] = the largest magnitude of matrix l, or NaN if an entry is not finite.
  void (*max_abs)(const Interleaved<T>& a, T* largest);
  // Multiplies matrix l by first[l] and then by second[l].
  void (*scale)(const Interleaved<T>& a, const T* first, const T* second);
  // Householder QR of matrices with at least as many rows as columns, in place. With `order`,
  // columns are exchanged for the longest of what is left: order[k * lanes + l] says which column
  // of matrix l was eliminated in step k. `squares` is scratch for a vector a column.
  void (*factor)(const InterleavedQr<T>& qr, Index* order, T* squares);
  // x = Q x.
  void (*apply_q)(const InterleavedQr<T>& qr, const Interleaved<T>& x);
  // inverse = R^-T, filled up with rows of zeros to the rows of `vectors`; condition[l] = ||R||
  // ||R^-1|| in the Frobenius norm, which is infinite or NaN if R is singular or nearly so. Leaves
  // the diagonal's reciprocals in its place.
  void (*invert_r)(const InterleavedQr<T>& qr, const Interleaved<T>& inverse, T* condition);
  // x = R^T of the factors, and then x J with orthogonal columns whose squared lengths are
  // `squares` and whose lengths are `lengths`. `rotations` becomes the identity, at least as large
  // as J, with J in its upper left; its data may be null.
  void (*orthogonalize)(const InterleavedQr<T>& qr, const Interleaved<T>& x,
                        const Interleaved<T>& rotations, T* squares, T* lengths,
                        const JacobiLimits& limits);
};

}  // namespace unitgain::simd
