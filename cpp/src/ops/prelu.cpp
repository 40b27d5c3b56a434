#include "ops/prelu.hpp"

#include <algorithm>

#include "ops/column_sums.hpp"
#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/activation.hpp"

namespace unitgain::ops {

namespace {

// Calls body(first, alphas, n) for the pieces of this thread's share of rows x cols values, over
// each of which the slopes stand in memory one after the other. Few slopes are repeated, so that no
// piece is short.
template <class T, class Body>
void for_each_piece(const runtime::Team& team, const T* alpha, Index rows, Index cols,
                    Body&& body) {
  constexpr Index wanted = 256;
  T repeated[2 * wanted];
  Index period = cols;
  if (cols > 0 && cols < wanted) {
    period = cols * (wanted / cols + 1);
    for (Index i = 0; i < period; ++i) repeated[i] = alpha[i % cols];
    alpha = repeated;
  }
  const runtime::Range part = team.share(rows * cols, element_grain);
  for (Index i = part.begin; i < part.end;) {
    const Index at = i % cols;
    const Index n = std::min(period - at, part.end - i);
    body(i, alpha + at, n);
    i += n;
  }
}

}  // namespace

template <class T>
void prelu(const runtime::Team& team, const T* x, const T* alpha, T* y, Index rows, Index cols) {
  const auto& kernels = *runtime::kernels<T>().prelu;
  for_each_piece(team, alpha, rows, cols, [&](Index first, const T* alphas, Index n) {
    kernels.forward(x + first, alphas, y + first, n);
  });
}

template <class T>
void prelu_gradient(const runtime::Team& team, const T* x, const T* alpha, const T* upstream,
                    T* gradient, T* products, T* alpha_gradient, Index rows, Index cols) {
  const auto& kernels = *runtime::kernels<T>().prelu;
  for_each_piece(team, alpha, rows, cols, [&](Index first, const T* alphas, Index n) {
    kernels.gradient(x + first, alphas, upstream + first,
                     gradient != nullptr ? gradient + first : nullptr,
                     alpha_gradient != nullptr ? products + first : nullptr, n);
  });
  if (alpha_gradient == nullptr) return;
  team.barrier();
  column_sums<T>(team, products, cols, rows, cols, alpha_gradient);
}

template void prelu<float>(const runtime::Team&, const float*, const float*, float*, Index, Index);
template void prelu<double>(const runtime::Team&, const double*, const double*, double*, Index,
                            Index);
template void prelu_gradient<float>(const runtime::Team&, const float*, const float*, const float*,
                                    float*, float*, float*, Index, Index);
template void prelu_gradient<double>(const runtime::Team&, const double*, const double*,
                                     const double*, double*, double*, double*, Index, Index);

}  // namespace unitgain::ops
