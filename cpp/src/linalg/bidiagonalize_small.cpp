// Golub and Kahan's reduction without blocks, for a matrix that stays in the first-level cache or
// near it: each step passes over it twice, once to bring it up to date and to take its products
// with the column's reflector, once for its product with the row's.
#include "linalg/bidiagonalize.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

template <class T>
class SmallReduction {
 public:
  explicit SmallReduction(const Bidiagonalization<T>& parts)
      : parts_(parts),
        a_(parts.left.tails),
        vector_(*runtime::kernels<T>().vector),
        v_(parts.v_and_x[0]),
        x_(parts.v_and_x[1]),
        next_v_(parts.v_and_x[2]),
        y_(parts.y_and_u[0]),
        u_(parts.y_and_u[1]),
        dots_(parts.y_and_u[2]) {}

  void run() {
    for (T* zero : {v_, x_, next_v_}) std::fill_n(zero, a_.rows, T(0));
    for (T* zero : {y_, u_}) std::fill_n(zero, a_.count, T(0));
    for (Index k = 0; k < a_.count; ++k) {
      eliminate_column(k);
      if (k + 1 < a_.count) eliminate_row(k);
    }
  }

 private:
  // Whole cache lines: what is above the row is turned by zeros, or not read again.
  static Index line(Index row) {
    constexpr Index values = 64 / static_cast<Index>(sizeof(T));
    return row / values * values;
  }

  // Column k, up to date, becomes the reflector's tail; the columns to its right are brought up to
  // date, and y = tau v^T A.
  void eliminate_column(Index k) {
    const Index rows = a_.rows, first = line(k);
    T* const column = a_[k];
    vector_.axpy(-y_[k], v_ + k, column + k, rows - k);
    vector_.axpy(-u_[k], x_ + k, column + k, rows - k);
    T* const tail = column + k + 1;
    const Index length = rows - k - 1;
    const Reflector<T> reflector(column[k], vector_.dot(tail, tail, length));
    parts_.diagonal[k] = reflector.end;
    parts_.left.tau[k] = reflector.tau;
    vector_.scale(reflector.scale, tail, length);
    std::fill(next_v_ + first, next_v_ + k, T(0));
    next_v_[k] = 1;
    std::copy_n(tail, length, next_v_ + k + 1);
    if (k + 1 == a_.count) return;
    const T* const vectors[] = {v_ + first, x_ + first};
    const T* const weights[] = {y_ + k + 1, u_ + k + 1};
    vector_.turn_columns(a_[k + 1] + first, a_.stride, rows - first, a_.count - k - 1, vectors,
                         weights, next_v_ + first, dots_ + k + 1);
    for (Index j = k + 1; j < a_.count; ++j) y_[j] = reflector.tau * dots_[j];
    std::swap(v_, next_v_);
  }

  // u = the reflector of row k, and x = tau A u of the matrix that will have been turned by v y^T.
  void eliminate_row(Index k) {
    const Index next = k + 1, first = line(next), cols = a_.count - next;
    for (Index j = next; j < a_.count; ++j) u_[j] = a_[j][k] - y_[j];
    T* const tail = u_ + next + 1;
    const Reflector<T> reflector(u_[next], vector_.dot(tail, tail, cols - 1));
    parts_.superdiagonal[k] = reflector.end;
    parts_.right.tau[k] = reflector.tau;
    vector_.scale(reflector.scale, tail, cols - 1);
    u_[next] = 1;
    std::copy_n(u_ + next, cols, parts_.right.tails[k] + next);
    const Index rows = a_.rows - first;
    vector_.combine_columns(a_[next] + first, a_.stride, rows, cols, u_ + next, x_ + first);
    vector_.axpy(-vector_.dot(y_ + next, u_ + next, cols), v_ + first, x_ + first, rows);
    vector_.scale(reflector.tau, x_ + first, rows);
  }

  const Bidiagonalization<T>& parts_;
  const Columns<T>& a_;
  const simd::VectorKernels<T>& vector_;
  // The update that the matrix to the right still waits for: A - v y^T - x u^T.
  T *v_, *x_, *next_v_, *y_, *u_, *dots_;
};

}  // namespace

template <class T>
void bidiagonalize_small(const Bidiagonalization<T>& parts) {
  SmallReduction<T>(parts).run();
}

template void bidiagonalize_small<float>(const Bidiagonalization<float>&);
template void bidiagonalize_small<double>(const Bidiagonalization<double>&);

}  // namespace unitgain::linalg
