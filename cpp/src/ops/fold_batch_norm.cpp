#include "ops/fold_batch_norm.hpp"

#include <cmath>

#include "ops/grain.hpp"

namespace unitgain::ops {

template <class T>
void fold_batch_norm(const runtime::Team& team, Index cols, const T* bias, const T* gamma,
                     const T* beta, const T* mean, const T* variance, T epsilon, T* scale,
                     T* shift) {
  const runtime::Range range = team.share(cols, column_grain<T>);
  for (Index j = range.begin; j < range.end; ++j) {
    scale[j] = (gamma != nullptr ? gamma[j] : T{1}) / std::sqrt(variance[j] + epsilon);
    shift[j] = ((bias != nullptr ? bias[j] : T{0}) - mean[j]) * scale[j] +
               (beta != nullptr ? beta[j] : T{0});
  }
}

template void fold_batch_norm(const runtime::Team&, Index, const float*, const float*, const float*,
                              const float*, const float*, float, float*, float*);
template void fold_batch_norm(const runtime::Team&, Index, const double*, const double*,
                              const double*, const double*, const double*, double, double*,
                              double*);

}  // namespace unitgain::ops
