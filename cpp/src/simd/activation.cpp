#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const ActivationKernels<float> activation_f32 = {};
constinit const ActivationKernels<double> activation_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
