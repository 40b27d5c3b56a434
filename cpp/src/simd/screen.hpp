// What simd/screen.cpp defines, for the tables of simd/cluster.cpp.
#pragma once

#include "simd/kernels/screen.hpp"

#if defined(__AVX512F__)
namespace unitgain::simd::UNITGAIN_SHARED_VARIANT {

extern const ScreenKernels<float> screen_f32;
extern const ScreenKernels<double> screen_f64;

}  // namespace unitgain::simd::UNITGAIN_SHARED_VARIANT
#endif
