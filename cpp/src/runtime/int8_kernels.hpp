// The kernels of 8-bit weights of the variant in use.
#pragma once

#include "simd/kernels/int8_gemm.hpp"

namespace unitgain::runtime {

// Those that work by AVX512_VNNI where the variant has them and the CPU can run them.
const simd::Int8GemmKernels& int8_kernels();
// The variant's own, which any CPU of the variant can run.
const simd::Int8GemmKernels& plain_int8_kernels();

}  // namespace unitgain::runtime
