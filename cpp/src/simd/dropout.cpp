#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const DropoutKernels<float> dropout_f32 = {};
constinit const DropoutKernels<double> dropout_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
