#include "ops/activation.hpp"

#include <algorithm>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "unitgain/activation.hpp"

namespace unitgain::ops {

template <class T>
void activation(const runtime::Team& team, const ActivationSpec& spec, const T* x, T* y, Index n) {
  const auto& kernel = runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
  const runtime::Range part = team.share(n, element_grain);
  kernel.forward(x + part.begin, y + part.begin, part.size(), spec.parameters);
}

template <class T>
void activation_gradient(const runtime::Team& team, const ActivationSpec& spec, const T* saved,
                         const T* upstream, T* gradient, Index n) {
  const auto& kernel = runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
  const runtime::Range part = team.share(n, element_grain);
  kernel.gradient(saved + part.begin, upstream + part.begin, gradient + part.begin, part.size(),
                  spec.parameters);
}

template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec, const T* x,
                                  const T* upstream, T* gradient, Index n) {
  const auto& kernel = runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
  const runtime::Range part = team.share(n, element_grain);
  T y[element_grain];
  for (Index i = part.begin; i < part.end; i += element_grain) {
    const Index count = std::min(element_grain, part.end - i);
    std::copy_n(x + i, count, y);
    if (!activation_info(spec.kind).saves_input) kernel.forward(y, y, count, spec.parameters);
    kernel.gradient(y, upstream + i, gradient + i, count, spec.parameters);
  }
}

template <class T>
void activation(const runtime::Team& team, const ActivationSpec& spec, const Walk<2>& walk,
                const T* x, T* y) {
  const auto& kernel = runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
  apply<T>(team, walk, {x}, y, [&](const auto& from, T* to, Index n) {
    kernel.forward(from[0], to, n, spec.parameters);
  });
}

template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec,
                                  const Walk<3>& walk, const T* x, const T* upstream, T* gradient) {
  apply<T>(team, walk, {x, upstream}, gradient, [&](const auto& from, T* to, Index n) {
    activation_gradient_at_input<T>(runtime::Team(), spec, from[0], from[1], to, n);
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                              \
  template void activation_gradient_at_input<T>(const runtime::Team&, const ActivationSpec&, \
                                                const T*, const T*, T*, Index);              \
  template void activation<T>(const runtime::Team&, const ActivationSpec&, const Walk<2>&,   \
                              const T*, T*);                                                 \
  template void activation_gradient_at_input<T>(const runtime::Team&, const ActivationSpec&, \
                                                const Walk<3>&, const T*, const T*, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

template void activation<float>(const runtime::Team&, const ActivationSpec&, const float*, float*,
                                Index);
template void activation<double>(const runtime::Team&, const ActivationSpec&, const double*,
                                 double*, Index);
template void activation_gradient<float>(const runtime::Team&, const ActivationSpec&, const float*,
                                         const float*, float*, Index);
template void activation_gradient<double>(const runtime::Team&, const ActivationSpec&,
                                          const double*, const double*, double*, Index);

}  // namespace unitgain::ops
