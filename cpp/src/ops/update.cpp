#include "ops/update.hpp"

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::ops {

template <class T>
void sgd(const runtime::Team& team, T* w, const T* g, Index n, T rate) {
  const runtime::Range part = team.share(n, element_grain);
  runtime::kernels<T>().optimizer->sgd(w + part.begin, g + part.begin, part.size(), rate);
}

template <class T>
void sgd_momentum(const runtime::Team& team, T* w, const T* g, T* v, Index n, T rate, T momentum,
                  bool nesterov) {
  const runtime::Range part = team.share(n, element_grain);
  runtime::kernels<T>().optimizer->sgd_momentum(w + part.begin, g + part.begin, v + part.begin,
                                                part.size(), rate, momentum, nesterov);
}

template <class T>
void adam(const runtime::Team& team, T* w, const T* g, T* m, T* v, Index n, T rate, double beta_1,
          double beta_2, T epsilon) {
  const runtime::Range part = team.share(n, element_grain);
  runtime::kernels<T>().optimizer->adam(
      w + part.begin, g + part.begin, m + part.begin, v + part.begin, part.size(), rate,
      static_cast<T>(1.0 - beta_1), static_cast<T>(1.0 - beta_2), epsilon);
}

template void sgd<float>(const runtime::Team&, float*, const float*, Index, float);
template void sgd<double>(const runtime::Team&, double*, const double*, Index, double);
template void sgd_momentum<float>(const runtime::Team&, float*, const float*, float*, Index, float,
                                  float, bool);
template void sgd_momentum<double>(const runtime::Team&, double*, const double*, double*, Index,
                                   double, double, bool);
template void adam<float>(const runtime::Team&, float*, const float*, float*, float*, Index, float,
                          double, double, float);
template void adam<double>(const runtime::Team&, double*, const double*, double*, double*, Index,
                           double, double, double, double);

}  // namespace unitgain::ops
