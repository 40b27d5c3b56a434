// Activation functions over contiguous arrays.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y = f(x) for n values; y may be x.
template <class T>
void activation(const runtime::Team& team, const ActivationSpec& spec, const T* x, T* y, Index n);

// gradient = upstream * f', where f' follows from `saved`: f's input or its output, whichever
// activation_info(spec.kind).saves_input says. The gradient may be written over saved or upstream.
template <class T>
void activation_gradient(const runtime::Team& team, const ActivationSpec& spec, const T* saved,
                         const T* upstream, T* gradient, Index n);

// The same with f' evaluated at f's input x, to 2 ulp.
template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec, const T* x,
                                  const T* upstream, T* gradient, Index n);

}  // namespace unitgain::ops
