#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

constinit const ColumnKernels<float> column_f32 = {};
constinit const ColumnKernels<double> column_f64 = {};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
