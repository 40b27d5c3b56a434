#include "simd/kernels/int8_gemm.hpp"

#include "runtime/cpu.hpp"
#include "runtime/families/family.hpp"
#include "runtime/int8_kernels.hpp"

UNITGAIN_FAMILY(Int8GemmKernels, int8_gemm)

namespace unitgain::runtime {

const simd::Int8GemmKernels& plain_int8_kernels() {
  return family<simd::Int8GemmKernels>();
}

const simd::Int8GemmKernels& int8_kernels() {
  const simd::Int8GemmKernels& plain = plain_int8_kernels();
  return plain.by_vnni != nullptr && has_avx512_vnni() ? *plain.by_vnni : plain;
}

}  // namespace unitgain::runtime
