// The rows of the table of activations, by family: each has a source of its own that fills them in.
#pragma once

#include "simd/kernels/activation.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

template <class T>
struct LinearRows {
  ActivationKernel<T> linear, step, relu, general_relu, relu6, leaky_relu, hard_sigmoid, hard_silu;
};

template <class T>
struct ExponentialRows {
  ActivationKernel<T> elu, selu, celu, exponential, sigmoid, log_sigmoid, softplus, tanh, softsign;
};

template <class T>
struct GatedRows {
  ActivationKernel<T> silu, gelu, gelu_tanh, mish;
};

extern const LinearRows<float> linear_rows_f32;
extern const LinearRows<double> linear_rows_f64;
extern const ExponentialRows<float> exponential_rows_f32;
extern const ExponentialRows<double> exponential_rows_f64;
extern const GatedRows<float> gated_rows_f32;
extern const GatedRows<double> gated_rows_f64;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
