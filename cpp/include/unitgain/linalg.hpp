// Linear algebra: the singular value decomposition and the pseudoinverse, for float and double.
#pragma once

#include <optional>
#include <span>

#include "unitgain/types.hpp"

namespace unitgain {

// A = U diag(s) Vt of an m x n matrix; s has k = min(m, n) values, from the largest. u is m x k and
// vt k x n, or, for square orthogonal factors, u m x m and vt n x n; null data in both leaves the
// vectors out.
template <class T>
struct SvdProblem {
  MatrixView<const T> a;
  MatrixView<T> u;
  T* s;
  MatrixView<T> vt;
};

// `automatic` may take a cheaper path where it proves that no singular value is cut off.
enum class PinvMethod { automatic, svd };

// Of A (m x n) into out (n x m). Singular values of at most rcond times the largest count as zero.
template <class T>
struct PinvProblem {
  MatrixView<const T> a;
  MatrixView<T> out;
  double rcond;
  PinvMethod method = PinvMethod::automatic;
};

struct Entry {
  Index row;
  Index col;
};

// The first entry, row by row, that is NaN or infinite.
template <class T>
std::optional<Entry> find_non_finite(MatrixView<const T> a);

// Every finite matrix has its answer. Throws ValueError for shapes that do not
// fit, and LinAlgError naming the first entry that is NaN or infinite.
//
// The factors reproduce A within a small multiple of its norm times the type's epsilon. pinv takes
// R^-1 instead of singular values where a QR decomposition proves that none would be cut off, and
// computes a float matrix in double where its condition would leave fewer than two digits.
template <class T>
void svd(MatrixView<const T> a, MatrixView<T> u, T* s, MatrixView<T> vt);
template <class T>
void pinv(MatrixView<const T> a, MatrixView<T> out, double rcond,
          PinvMethod method = PinvMethod::automatic);

// A = Q R of an m x n matrix by Householder reflectors, k = min(m, n). q is m x k with r k x n, or
// m x m with r m x n, or null. With tau, k values, r is m x n and keeps below its diagonal the
// tails of the reflectors I - tau v v^T, whose v is 1 on the diagonal and 0 above.
template <class T>
struct QrProblem {
  MatrixView<const T> a;
  MatrixView<T> q;
  MatrixView<T> r;
  T* tau = nullptr;
};

// A = L L^T of a symmetric positive definite matrix, of which the lower triangle is read; zero
// above L's diagonal. `out` may be a. Where a leading minor is not positive, the least order of one
// goes to *failed, 0 if none is; without `failed` that throws LinAlgError.
template <class T>
struct CholeskyProblem {
  MatrixView<const T> a;
  MatrixView<T> out;
  Index* failed = nullptr;
};

// The x (n x p) of least norm among those that minimise ||A x - b|| for each of the p columns of b
// (m x p), in double for either type. Singular values of A of at most rcond times the largest count
// as zero; s has all min(m, n) of them. residuals, p values or null, are ||A x - b||^2, for m > n
// and full rank.
template <class T>
struct LstsqProblem {
  MatrixView<const T> a;
  MatrixView<const T> b;
  MatrixView<T> x;
  double rcond;
  T* s;
  T* residuals;
  Index* rank;
};

// Many matrices of one shape at once, split over the threads.
template <class T>
void svd(std::span<const SvdProblem<T>> problems);
template <class T>
void pinv(std::span<const PinvProblem<T>> problems);
template <class T>
void qr(std::span<const QrProblem<T>> problems);
template <class T>
void cholesky(std::span<const CholeskyProblem<T>> problems);
template <class T>
void lstsq(std::span<const LstsqProblem<T>> problems);

}  // namespace unitgain
