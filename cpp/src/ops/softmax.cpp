#include "ops/softmax.hpp"

#include <algorithm>

#include "runtime/dispatch.hpp"
#include "simd/kernels/softmax.hpp"

namespace unitgain::ops {

namespace {

// Neighbours along `inner` that one call of a kernel takes at most: four cache lines of each step.
template <class T>
constexpr Index piece = static_cast<Index>(256 / sizeof(T));

// Calls rows(offset, rows) or axis(offset, width) for this thread's part.
template <class T, class Rows, class Axis>
void split(const runtime::Team& team, Index outer, Index axis_length, Index inner, Rows&& rows,
           Axis&& axis) {
  if (axis_length == 0) return;
  if (inner == 1) {
    // Short rows go by cache lines, which no two threads should write.
    const runtime::Range part = team.share(outer, axis_length < piece<T> ? 16 : 1);
    rows(part.begin * axis_length, part.size());
    return;
  }
  const Index pieces = (inner + piece<T> - 1) / piece<T>;
  const runtime::Range part = team.share(outer * pieces);
  for (Index i = part.begin; i < part.end; ++i) {
    const Index first = i % pieces * piece<T>;
    axis(i / pieces * axis_length * inner + first, std::min(piece<T>, inner - first));
  }
}

}  // namespace

template <class T>
void softmax(const runtime::Team& team, const T* x, T* y, Index outer, Index axis_length,
             Index inner) {
  const auto& kernels = *runtime::kernels<T>().softmax;
  split<T>(
      team, outer, axis_length, inner,
      [&](Index at, Index rows) { kernels.softmax(x + at, y + at, rows, axis_length); },
      [&](Index at, Index width) {
        kernels.softmax_axis(x + at, y + at, axis_length, inner, width);
      });
}

template <class T>
void log_softmax(const runtime::Team& team, const T* x, T* y, Index outer, Index axis_length,
                 Index inner) {
  const auto& kernels = *runtime::kernels<T>().softmax;
  split<T>(
      team, outer, axis_length, inner,
      [&](Index at, Index rows) { kernels.log_softmax(x + at, y + at, rows, axis_length); },
      [&](Index at, Index width) {
        kernels.log_softmax_axis(x + at, y + at, axis_length, inner, width);
      });
}

template <class T>
void softmax_gradient(const runtime::Team& team, const T* y, const T* upstream, T* gradient,
                      Index outer, Index axis_length, Index inner) {
  const auto& kernels = *runtime::kernels<T>().softmax;
  split<T>(
      team, outer, axis_length, inner,
      [&](Index at, Index rows) {
        kernels.gradient(y + at, upstream + at, gradient + at, rows, axis_length);
      },
      [&](Index at, Index width) {
        kernels.gradient_axis(y + at, upstream + at, gradient + at, axis_length, inner, width);
      });
}

template <class T>
void log_softmax_gradient(const runtime::Team& team, const T* y, const T* upstream, T* gradient,
                          Index outer, Index axis_length, Index inner) {
  const auto& kernels = *runtime::kernels<T>().softmax;
  split<T>(
      team, outer, axis_length, inner,
      [&](Index at, Index rows) {
        kernels.log_gradient(y + at, upstream + at, gradient + at, rows, axis_length);
      },
      [&](Index at, Index width) {
        kernels.log_gradient_axis(y + at, upstream + at, gradient + at, axis_length, inner, width);
      });
}

double softmax_work(Index outer, Index axis_length, Index inner) {
  return 0.3 * static_cast<double>(outer * axis_length * inner) +
         2.0 * static_cast<double>(outer * inner);
}

template void softmax(const runtime::Team&, const float*, float*, Index, Index, Index);
template void softmax(const runtime::Team&, const double*, double*, Index, Index, Index);
template void log_softmax(const runtime::Team&, const float*, float*, Index, Index, Index);
template void log_softmax(const runtime::Team&, const double*, double*, Index, Index, Index);
template void softmax_gradient(const runtime::Team&, const float*, const float*, float*, Index,
                               Index, Index);
template void softmax_gradient(const runtime::Team&, const double*, const double*, double*, Index,
                               Index, Index);
template void log_softmax_gradient(const runtime::Team&, const float*, const float*, float*, Index,
                                   Index, Index);
template void log_softmax_gradient(const runtime::Team&, const double*, const double*, double*,
                                   Index, Index, Index);

}  // namespace unitgain::ops
