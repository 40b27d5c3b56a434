// Activations.
#pragma once

#include "unitgain/rows/activation.hpp"
#include "unitgain/types.hpp"

namespace unitgain::simd {

// The bound of 2 ulp holds for every finite number of the type; for denormal results too.
template <class T>
struct ActivationKernel {
  // y = f(x) within 2 ulp, in place allowed.
  void (*forward)(const T* x, T* y, Index n, const double* parameters);
  // gradient = upstream * f'(x), f' within 2 ulp. gradient may equal x or upstream.
  void (*gradient)(const T* x, const T* upstream, T* gradient, Index n, const double* parameters);
  // The same from y = f(x) and cheaper, with an error of some epsilons absolute; null where
  // activation_info(kind).saves_input. gradient may equal y or upstream.
  void (*gradient_at_output)(const T* y, const T* upstream, T* gradient, Index n,
                             const double* parameters);
};

template <class T>
struct ActivationKernels {
  const ActivationKernel<T>* row[activation_count];
};

// PReLU, with a slope for each element.
template <class T>
struct PreluKernels {
  // y_i = x_i, or alpha_i x_i where x_i < 0; in place allowed.
  void (*forward)(const T* x, const T* alpha, T* y, Index n);
  // gradient = upstream where x > 0, else upstream * alpha; products = upstream * min(x, 0), which
  // are the parts of alpha's gradient. Either may be null; gradient may equal x or upstream.
  void (*gradient)(const T* x, const T* alpha, const T* upstream, T* gradient, T* products,
                   Index n);
};

}  // namespace unitgain::simd
