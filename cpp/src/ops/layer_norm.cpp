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
void layer_norm(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                const NormParameters<T>& parameters, const NormStatistics<T>& kept) {
  const runtime::Range part = team.share(rows, column_grain<T>);
  runtime::kernels<T>().row->normalize(x + part.begin * cols, y + part.begin * cols, part.size(),
                                       cols, parameters.gamma, parameters.beta, parameters.epsilon,
                                       kept.mean + part.begin, kept.residual + part.begin,
                                       kept.inverse_deviation + part.begin);
}

template <class T>
void layer_norm_gradient(const runtime::Team& team, const T* x, const T* upstream, Index rows,
                         Index cols, const T* gamma, const NormStatistics<const T>& kept,
                         const NormGradients<T>& gradients, T* scratch) {
  const auto& kernels = *runtime::kernels<T>().row;
  const bool parameters = gradients.gamma != nullptr || gradients.beta != nullptr;
  const Index height = rows_per_piece(rows), pieces = pieces_of(rows);
  const runtime::Range mine = team.share(pieces);
  for (Index piece = mine.begin; piece < mine.end; ++piece) {
    const Index first = piece * height, count = std::min(height, rows - first);
    const T *from = x + first * cols, *up = upstream + first * cols;
    const T *mean = kept.mean + first, *residual = kept.residual + first;
    const T* inverse_deviation = kept.inverse_deviation + first;
    if (parameters) {
      T* sums = scratch + 2 * cols * piece;
      kernels.parameter_sums(from, up, count, cols, mean, residual, inverse_deviation, sums,
                             sums + cols);
    }
    if (gradients.x != nullptr) {
      kernels.gradient(from, up, gradients.x + first * cols, count, cols, gamma, mean, residual,
                       inverse_deviation);
    }
  }
  if (!parameters) return;
  team.barrier();
  const runtime::Range part = team.share(cols, column_grain<T>);
  T* const targets[] = {gradients.gamma, gradients.beta};
  for (int which = 0; which < 2; ++which) {
    if (targets[which] == nullptr) continue;
    runtime::kernels<T>().column->sum(scratch + which * cols + part.begin, 2 * cols, pieces,
                                      part.size(), targets[which] + part.begin);
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                                \
  template void layer_norm<T>(const runtime::Team&, const T*, T*, Index, Index,                \
                              const NormParameters<T>&, const NormStatistics<T>&);             \
  template void layer_norm_gradient<T>(const runtime::Team&, const T*, const T*, Index, Index, \
                                       const T*, const NormStatistics<const T>&,               \
                                       const NormGradients<T>&, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
