#include "ops/fold_batch_norm.hpp"

#include <cmath>

#include "ops/grain.hpp"

namespace unitgain::ops {

template <class T>
void fold_batch_norm(const runtime::Team& team, Index cols, const T* bias,
                     const NormParameters<T>& parameters, const MovingStatistics<const T>& moving,
                     T* scale, T* shift) {
  const auto& [gamma, beta, epsilon] = parameters;
  const runtime::Range range = team.share(cols, column_grain<T>);
  for (Index j = range.begin; j < range.end; ++j) {
    scale[j] = (gamma != nullptr ? gamma[j] : T{1}) / std::sqrt(moving.variance[j] + epsilon);
    shift[j] = ((bias != nullptr ? bias[j] : T{0}) - moving.mean[j]) * scale[j] +
               (beta != nullptr ? beta[j] : T{0});
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                                    \
  template void fold_batch_norm<T>(const runtime::Team&, Index, const T*,                          \
                                   const NormParameters<T>&, const MovingStatistics<const T>&, T*, \
                                   T*);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
