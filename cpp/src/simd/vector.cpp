#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const VectorKernels<float> vector_f32 = {};
constinit const VectorKernels<double> vector_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
