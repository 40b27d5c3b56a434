#include "ops/activation.hpp"

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"

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

template void activation<float>(const runtime::Team&, const ActivationSpec&, const float*, float*,
                                Index);
template void activation<double>(const runtime::Team&, const ActivationSpec&, const double*,
                                 double*, Index);
template void activation_gradient<float>(const runtime::Team&, const ActivationSpec&, const float*,
                                         const float*, float*, Index);
template void activation_gradient<double>(const runtime::Team&, const ActivationSpec&,
                                          const double*, const double*, double*, Index);

template void activation_gradient_at_input<float>(const runtime::Team&, const ActivationSpec&,
                                                  const float*, const float*, float*, Index);
template void activation_gradient_at_input<double>(const runtime::Team&, const ActivationSpec&,
                                                   const double*, const double*, double*, Index);

}  // namespace unitgain::ops
