// The table of activations.
#include "simd/activation_rows.hpp"
#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

#define UNITGAIN_F32(kind, ...) &activation_##kind##_f32,
#define UNITGAIN_F64(kind, ...) &activation_##kind##_f64,
constinit const ActivationKernels<float> activation_f32 = {{UNITGAIN_ACTIVATIONS(UNITGAIN_F32)}};
constinit const ActivationKernels<double> activation_f64 = {{UNITGAIN_ACTIVATIONS(UNITGAIN_F64)}};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
