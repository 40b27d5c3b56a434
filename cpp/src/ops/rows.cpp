#include "ops/rows.hpp"

#include <algorithm>
#include <initializer_list>

#include "ops/activation.hpp"
#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::ops {

namespace {

// body(row, column, count) for this thread's part: row by row, or over all at once where every
// matrix is contiguous.
template <class Body>
void for_each_run(const runtime::Team& team, Index rows, Index cols,
                  std::initializer_list<Index> strides, Body&& body) {
  if (std::all_of(strides.begin(), strides.end(), [&](Index s) { return s == cols; })) {
    const runtime::Range part = team.share(rows * cols, element_grain);
    body(0, part.begin, part.size());
    return;
  }
  const Index grain = std::max<Index>(1, element_grain / std::max<Index>(cols, 1));
  const runtime::Range part = team.share(rows, grain);
  for (Index i = part.begin; i < part.end; ++i) body(i, 0, cols);
}

template <class T>
T* element(const MatrixView<T>& view, Index row, Index column) {
  return view.data + row * view.row_stride + column;
}

}  // namespace

template <class T>
void copy_rows(const runtime::Team& team, const MatrixView<const T>& from,
               const MatrixView<T>& to) {
  for_each_run(
      team, to.rows, to.cols, {from.row_stride, to.row_stride},
      [&](Index i, Index j, Index n) { std::copy_n(element(from, i, j), n, element(to, i, j)); });
}

template <class T>
void add_rows(const runtime::Team& team, const MatrixView<const T>& a, const MatrixView<const T>& b,
              const MatrixView<T>& to) {
  const auto add = runtime::kernels<T>().vector->add;
  for_each_run(team, to.rows, to.cols, {a.row_stride, b.row_stride, to.row_stride},
               [&](Index i, Index j, Index n) {
                 add(element(a, i, j), element(b, i, j), element(to, i, j), n);
               });
}

template <class T>
void activation_gradient_rows(const runtime::Team& team, const ActivationSpec& spec,
                              const MatrixView<const T>& saved, const MatrixView<const T>& upstream,
                              const MatrixView<T>& gradient) {
  for_each_run(team, gradient.rows, gradient.cols,
               {saved.row_stride, upstream.row_stride, gradient.row_stride},
               [&](Index i, Index j, Index n) {
                 activation_gradient<T>(runtime::Team(), spec, element(saved, i, j),
                                        element(upstream, i, j), element(gradient, i, j), n);
               });
}

#define UNITGAIN_INSTANTIATE(T)                                                                    \
  template void copy_rows(const runtime::Team&, const MatrixView<const T>&, const MatrixView<T>&); \
  template void add_rows(const runtime::Team&, const MatrixView<const T>&,                         \
                         const MatrixView<const T>&, const MatrixView<T>&);                        \
  template void activation_gradient_rows(const runtime::Team&, const ActivationSpec&,              \
                                         const MatrixView<const T>&, const MatrixView<const T>&,   \
                                         const MatrixView<T>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
