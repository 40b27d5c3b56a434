// Activation functions over contiguous arrays.
#pragma once

#include "ops/strided.hpp"
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

// The same with the derivative at the input x.
template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec, const T* x,
                                  const T* upstream, T* gradient, Index n);

// Both on arrays of any strides; the derivative is that at the input x.
template <class T>
void activation(const runtime::Team& team, const ActivationSpec& spec, const Walk<2>& walk,
                const T* x, T* y);
template <class T>
void activation_gradient_at_input(const runtime::Team& team, const ActivationSpec& spec,
                                  const Walk<3>& walk, const T* x, const T* upstream, T* gradient);

}  // namespace unitgain::ops
