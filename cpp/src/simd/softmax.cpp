#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const SoftmaxKernels<float> softmax_f32 = {};
constinit const SoftmaxKernels<double> softmax_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
