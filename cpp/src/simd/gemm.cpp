#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const GemmKernels<float> gemm_f32 = {};
constinit const GemmKernels<double> gemm_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
