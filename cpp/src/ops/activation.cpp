#include "ops/activation.hpp"

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/activation.hpp"

namespace unitgain::ops {

namespace {

template <class T>
const simd::ActivationKernel<T>& kernel_of(const ActivationSpec& spec) {
  return *runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
}

}  // namespace

template <class T>
void activation(const runtime::Team& team, const ActivationSpec& spec, const T* x, T* y, Index n) {
  const auto& kernel = kernel_of<T>(spec);
  const runtime::Range part = team.share(n, element_grain);
  kernel.forward(x + part.begin, y + part.begin, part.size(), spec.parameters);
}

template <class T>
void activation_gradient(const runtime::Team& team, const ActivationSpec& spec, const T* saved,
                         const T* upstream, T* gradient, Index n) {
  const auto& kernel = kernel_of<T>(spec);
  const auto evaluate = kernel.gradient_at_output ? kernel.gradient_at_output : kernel.gradient;
  const runtime::Range part = team.share(n, element_grain);
  evaluate(saved + part.begin, upstream + part.begin, gradient + part.begin, part.size(),
           spec.parameters);
}

template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec, const T* x,
                                  const T* upstream, T* gradient, Index n) {
  const runtime::Range part = team.share(n, element_grain);
  kernel_of<T>(spec).gradient(x + part.begin, upstream + part.begin, gradient + part.begin,
                              part.size(), spec.parameters);
}

template <class T>
void activation(const runtime::Team& team, const ActivationSpec& spec, const Walk<2>& walk,
                const T* x, T* y) {
  const auto& kernel = kernel_of<T>(spec);
  apply<T>(team, walk, {x}, y, [&](const auto& from, T* to, Index n) {
    kernel.forward(from[0], to, n, spec.parameters);
  });
}

template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec,
                                  const Walk<3>& walk, const T* x, const T* upstream, T* gradient) {
  apply<T>(team, walk, {x, upstream}, gradient, [&](const auto& from, T* to, Index n) {
    kernel_of<T>(spec).gradient(from[0], from[1], to, n, spec.parameters);
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                                  \
  template void activation<T>(const runtime::Team&, const ActivationSpec&, const T*, T*, Index); \
  template void activation_gradient<T>(const runtime::Team&, const ActivationSpec&, const T*,    \
                                       const T*, T*, Index);                                     \
  template void activation_gradient_at_input<T>(const runtime::Team&, const ActivationSpec&,     \
                                                const T*, const T*, T*, Index);                  \
  template void activation<T>(const runtime::Team&, const ActivationSpec&, const Walk<2>&,       \
                              const T*, T*);                                                     \
  template void activation_gradient_at_input<T>(const runtime::Team&, const ActivationSpec&,     \
                                                const Walk<3>&, const T*, const T*, T*)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
