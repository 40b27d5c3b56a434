#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const OptimizerKernels<float> optimizer_f32 = {};
constinit const OptimizerKernels<double> optimizer_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
