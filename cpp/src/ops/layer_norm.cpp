#include "ops/layer_norm.hpp"

#include <algorithm>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"

namespace unitgain::ops {

namespace {

// The parameters' gradients are summed in pieces of rows, and the pieces' sums then added up, the
// pieces depending on the number of rows alone.
constexpr Index most_pieces = 64, least_rows = 16;

Index rows_per_piece(Index rows) {
  return std::max((rows + most_pieces - 1) / most_pieces, least_rows);
}

Index pieces_of(Index rows) {
  const Index height = rows_per_piece(rows);
  return (rows + height - 1) / height;
}

}  // namespace

Index layer_norm_scratch(Index rows, Index cols) {
  return 2 * cols * pieces_of(rows);
}

template <class T>
void layer_norm(const runtime::Team& team, const T* x, T* y, Index rows, Index cols, const T* gamma,
                const T* beta, T epsilon, T* mean, T* residual, T* inverse_deviation) {
  const runtime::Range part = team.share(rows, column_grain<T>);
  runtime::kernels<T>().row->normalize(x + part.begin * cols, y + part.begin * cols, part.size(),
                                       cols, gamma, beta, epsilon, mean + part.begin,
                                       residual + part.begin, inverse_deviation + part.begin);
}

template <class T>
void layer_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, T* gradient,
                         Index rows, Index cols, const T* gamma, const T* mean, const T* residual,
                         const T* inverse_deviation, T* gamma_gradient, T* beta_gradient,
                         T* scratch) {
  const auto& kernels = *runtime::kernels<T>().row;
  const bool parameters = gamma_gradient != nullptr || beta_gradient != nullptr;
  const Index height = rows_per_piece(rows), pieces = pieces_of(rows);
  const runtime::Range mine = team.share(pieces);
  for (Index piece = mine.begin; piece < mine.end; ++piece) {
    const Index first = piece * height, count = std::min(height, rows - first);
    const T *from = x + first * cols, *up = upstream + first * cols;
    if (parameters) {
      T* sums = scratch + 2 * cols * piece;
      kernels.parameter_sums(from, up, count, cols, mean + first, residual + first,
                             inverse_deviation + first, sums, sums + cols);
    }
    if (gradient != nullptr) {
      kernels.gradient(from, up, gradient + first * cols, count, cols, gamma, mean + first,
                       residual + first, inverse_deviation + first);
    }
  }
  if (!parameters) return;
  team.barrier();
  const runtime::Range part = team.share(cols, column_grain<T>);
  T* const targets[] = {gamma_gradient, beta_gradient};
  for (int which = 0; which < 2; ++which) {
    if (targets[which] == nullptr) continue;
    runtime::kernels<T>().column->sum(scratch + which * cols + part.begin, 2 * cols, pieces,
                                      part.size(), targets[which] + part.begin);
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                                    \
  template void layer_norm<T>(const runtime::Team&, const T*, T*, Index, Index, const T*,          \
                              const T*, T, T*, T*, T*);                                            \
  template void layer_norm_gradient<T>(const runtime::Team&, const T*, const T*, T*, Index, Index, \
                                       const T*, const T*, const T*, const T*, T*, T*, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
