// The kernels of each activation, which the sources activation_*.cpp define.
#pragma once

#include "simd/kernels/activation.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

#define UNITGAIN_DECLARE(kind, ...)                             \
  extern const ActivationKernel<float> activation_##kind##_f32; \
  extern const ActivationKernel<double> activation_##kind##_f64;
UNITGAIN_ACTIVATIONS(UNITGAIN_DECLARE)
#undef UNITGAIN_DECLARE

}  // namespace unitgain::simd::UNITGAIN_VARIANT
