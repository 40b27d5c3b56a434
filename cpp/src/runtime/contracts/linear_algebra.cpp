#include "runtime/contracts/checked.hpp"
#include "simd/kernels/secular.hpp"
#include "simd/kernels/small_linalg.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::runtime {

template <class T>
const simd::VectorKernels<T>* with_contracts(const simd::VectorKernels<T>& kernels) {
  using Vector = simd::VectorKernels<T>;
  return checked_copy(kernels, [](Vector& table) {
    check<&Vector::dot>(table, [](const Vector&, const T* x, const T* y, Index n) {
      UNITGAIN_ASSERT(are_there({vector(x, n), vector(y, n)}), "vector.dot: x or y is null");
    });
    check<&Vector::dot4>(table, [](const Vector&, const T* const* x, const T* y, Index n, T* dots) {
      UNITGAIN_ASSERT(is_apart(vector(dots, 4), {vector(x[0], n), vector(x[1], n), vector(x[2], n),
                                                 vector(x[3], n), vector(y, n)}),
                      "vector.dot4: a vector is null, or holds a result");
    });
    check<&Vector::max_abs>(table, [](const Vector&, const T* x, Index n) {
      UNITGAIN_ASSERT(are_there({vector(x, n)}), "vector.max_abs: x is null");
    });
    check<&Vector::sum_of_squares>(table, [](const Vector&, const T* x, Index n, double) {
      UNITGAIN_ASSERT(are_there({vector(x, n)}), "vector.sum_of_squares: x is null");
    });
    const auto axpy = [](const Vector&, T, const T* x, T* y, Index n) {
      UNITGAIN_ASSERT(is_apart(vector(y, n), {vector(x, n)}),
                      "vector.axpy: y overlaps x, or one of them is null");
    };
    check<&Vector::axpy>(table, axpy);
    check<&Vector::axpy_squares>(table, axpy);
    check<&Vector::axpy4>(table, [](const Vector&, const T* alpha, const T* const* x, T* y,
                                    Index n) {
      UNITGAIN_ASSERT(is_apart(vector(y, n), {vector(alpha, 4), vector(x[0], n), vector(x[1], n),
                                              vector(x[2], n), vector(x[3], n)}),
                      "vector.axpy4: y overlaps a vector, or one of them is null");
    });
    check<&Vector::scale>(table, [](const Vector&, T, T* x, Index n) {
      UNITGAIN_ASSERT(are_there({vector(x, n)}), "vector.scale: x is null");
    });
    const auto elementwise = [](const Vector&, const T* x, const T* y, T* out, Index n) {
      UNITGAIN_ASSERT(is_in_place_or_apart(vector(out, n), {vector(x, n), vector(y, n)}),
                      "vector, element by element: the result overlaps x or y, or one is null");
    };
    check<&Vector::add>(table, elementwise);
    check<&Vector::multiply>(table, elementwise);
    check<&Vector::maximum>(table, elementwise);
    check<&Vector::minimum>(table, elementwise);
    check<&Vector::count_equal>(
        table, [](const Vector&, const T* x, const T* y, T* counts, Index n) {
          UNITGAIN_ASSERT(is_apart(vector(counts, n), {vector(x, n), vector(y, n)}),
                          "vector.count_equal: the counts overlap x or y, or one is null");
        });
    check<&Vector::share_equal>(table, [](const Vector&, const T* x, const T* y, const T* counts,
                                          const T* upstream, T* gradient, Index n) {
      UNITGAIN_ASSERT(
          is_in_place_or_apart(vector(gradient, n), {vector(x, n), vector(y, n), vector(counts, n),
                                                     vector(upstream, n)}),
          "vector.share_equal: the gradient overlaps an input, or one is null");
    });
    check<&Vector::rotate>(table, [](const Vector&, T* x, T* y, Index n, T, T) {
      UNITGAIN_ASSERT(is_apart(vector(y, n), {vector(x, n)}),
                      "vector.rotate: y overlaps x, or one of them is null");
    });
    check<&Vector::rotate_squares>(table, [](const Vector&, T* x, T* y, Index n, T, T, T* squares) {
      UNITGAIN_ASSERT(is_apart(vector(y, n), {vector(x, n), vector(squares, 2)}) &&
                          is_apart(vector(squares, 2), {vector(x, n)}),
                      "vector.rotate_squares: arrays overlap, or one of them is null");
    });
    check<&Vector::turn_columns>(table, [](const Vector&, T* a, Index stride, Index n,
                                           Index columns, const T* const* x,
                                           const T* const* weights, const T* y, T* dots) {
      UNITGAIN_ASSERT(is_apart(matrix(a, columns, n, stride),
                               {vector(x[0], n), vector(x[1], n), vector(weights[0], columns),
                                vector(weights[1], columns), vector(y, n), vector(dots, columns)}),
                      "vector.turn_columns: a column overlaps a vector, or one of them is null");
    });
    check<&Vector::combine_columns>(table, [](const Vector&, const T* a, Index stride, Index n,
                                              Index columns, const T* weights, T* sum) {
      UNITGAIN_ASSERT(
          is_apart(vector(sum, n), {matrix(a, columns, n, stride), vector(weights, columns)}),
          "vector.combine_columns: the sum overlaps an input, or one of them is null");
    });
  });
}

namespace {

template <class T>
Area all_of(const simd::Interleaved<T>& a, Index lanes) {
  return vector(a.data, a.rows * a.cols * lanes);
}

template <class T>
bool are_factors(const simd::InterleavedQr<T>& qr, Index lanes) {
  const Index n = qr.vectors.cols * lanes;
  return qr.vectors.rows >= qr.vectors.cols &&
         is_apart(all_of(qr.vectors, lanes), {vector(qr.factor, n), vector(qr.diagonal, n)}) &&
         is_apart(vector(qr.factor, n), {vector(qr.diagonal, n)});
}

}  // namespace

template <class T>
const simd::SmallLinalgKernels<T>* with_contracts(const simd::SmallLinalgKernels<T>& kernels) {
  using Small = simd::SmallLinalgKernels<T>;
  return checked_copy(kernels, [](Small& table) {
    check<&Small::max_abs>(table, [](const Small& s, const simd::Interleaved<T>& a, T* largest) {
      UNITGAIN_ASSERT(is_apart(vector(largest, s.lanes), {all_of(a, s.lanes)}),
                      "small_linalg.max_abs: the maxima are in the matrices, or one is null");
    });
    check<&Small::scale>(
        table, [](const Small& s, const simd::Interleaved<T>& a, const T* first, const T* second) {
          UNITGAIN_ASSERT(
              is_apart(all_of(a, s.lanes), {vector(first, s.lanes), vector(second, s.lanes)}),
              "small_linalg.scale: the factors are in the matrices, or one is null");
        });
    check<&Small::factor>(
        table, [](const Small& s, const simd::InterleavedQr<T>& qr, Index* order, T* squares) {
          const Index n = qr.vectors.cols * s.lanes;
          UNITGAIN_ASSERT(are_factors(qr, s.lanes), "small_linalg.factor: no tall matrices");
          UNITGAIN_ASSERT(is_apart(all_of(qr.vectors, s.lanes),
                                   {vector(squares, n), optional(order, vector(order, n))}),
                          "small_linalg.factor: the scratch overlaps the matrices, or is null");
        });
    check<&Small::apply_q>(
        table, [](const Small& s, const simd::InterleavedQr<T>& qr, const simd::Interleaved<T>& x) {
          UNITGAIN_ASSERT(are_factors(qr, s.lanes) && x.rows == qr.vectors.rows,
                          "small_linalg.apply_q: x has not Q's rows");
          UNITGAIN_ASSERT(is_apart(all_of(x, s.lanes), {all_of(qr.vectors, s.lanes)}),
                          "small_linalg.apply_q: x overlaps Q, or is null");
        });
    check<&Small::invert_r>(table, [](const Small& s, const simd::InterleavedQr<T>& qr,
                                      const simd::Interleaved<T>& inverse, T* condition) {
      UNITGAIN_ASSERT(are_factors(qr, s.lanes) && inverse.rows == qr.vectors.rows &&
                          inverse.cols == qr.vectors.cols,
                      "small_linalg.invert_r: the inverse has not the matrices' shape");
      UNITGAIN_ASSERT(is_apart(all_of(inverse, s.lanes),
                               {all_of(qr.vectors, s.lanes), vector(condition, s.lanes)}),
                      "small_linalg.invert_r: the inverse overlaps R, or is null");
    });
    check<&Small::orthogonalize>(
        table, [](const Small& s, const simd::InterleavedQr<T>& qr, const simd::Interleaved<T>& x,
                  const simd::Interleaved<T>& rotations, T* squares, T* lengths,
                  const simd::JacobiLimits&) {
          const Index n = qr.vectors.cols;
          UNITGAIN_ASSERT(are_factors(qr, s.lanes) && x.rows == n && x.cols == n,
                          "small_linalg.orthogonalize: x has not R's shape");
          UNITGAIN_ASSERT(rotations.data == nullptr || (rotations.rows >= n && rotations.cols >= n),
                          "small_linalg.orthogonalize: the rotations are smaller than J");
          UNITGAIN_ASSERT(is_apart(all_of(x, s.lanes),
                                   {all_of(qr.vectors, s.lanes),
                                    optional(rotations.data, all_of(rotations, s.lanes)),
                                    vector(squares, n * s.lanes), vector(lengths, n * s.lanes)}),
                          "small_linalg.orthogonalize: x overlaps an array, or one is null");
        });
  });
}

const simd::SecularKernels* with_contracts(const simd::SecularKernels& kernels) {
  using Secular = simd::SecularKernels;
  return checked_copy(kernels, [](Secular& table) {
    check<&Secular::sums>(table, [](const Secular&, const double* d, const double* z2,
                                    simd::SecularRoot, Index n, double* sums) {
      UNITGAIN_ASSERT(is_apart(vector(sums, 2), {vector(d, n), vector(z2, n)}),
                      "secular.sums: the sums overlap d or z2, or one of them is null");
    });
    check<&Secular::multiply>(table, [](const Secular&, const double* d, simd::SecularRoot, double,
                                        double* products, Index n) {
      UNITGAIN_ASSERT(is_apart(vector(products, n), {vector(d, n)}),
                      "secular.multiply: the products overlap d, or one of them is null");
    });
    check<&Secular::vectors>(
        table, [](const Secular&, const double* d, const double* z, simd::SecularRoot, Index n,
                  double* left, double* right, double* squares) {
          UNITGAIN_ASSERT(
              is_apart(vector(left, n),
                       {vector(d, n), vector(z, n), vector(right, n), vector(squares, 2)}) &&
                  is_apart(vector(right, n), {vector(d, n), vector(z, n), vector(squares, 2)}),
              "secular.vectors: arrays overlap, or one of them is null");
        });
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                            \
  template const simd::VectorKernels<T>* with_contracts<T>(const simd::VectorKernels<T>&); \
  template const simd::SmallLinalgKernels<T>* with_contracts<T>(const simd::SmallLinalgKernels<T>&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::runtime
