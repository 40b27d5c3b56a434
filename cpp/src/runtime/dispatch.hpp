// The kernels of the variant in use.
#pragma once

#include <type_traits>

#include "simd/kernels.hpp"

namespace unitgain::runtime {

// The chosen variant's table; see active_variant() for the choice and its errors.
const simd::KernelTable& kernel_table();

template <class T>
const simd::Kernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return kernel_table().f32;
  } else {
    return kernel_table().f64;
  }
}

// The kernels of a precision that work in bfloat16; null where the CPU lacks the instructions, or
// does better by kernels<float>().gemm.
const simd::SplitGemmKernels* split_kernels(Precision precision);

}  // namespace unitgain::runtime
