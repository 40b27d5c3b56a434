// The kernels of the variant in use.
#pragma once

#include <cstddef>
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

// The kernels of a family that has its own table of variants (runtime/families/): what a program
// that only predicts does without, and then is not linked.
template <class Family>
const Family& family();
template <>
const simd::LossKernels<float>& family();
template <>
const simd::LossKernels<double>& family();
template <>
const simd::OptimizerKernels<float>& family();
template <>
const simd::OptimizerKernels<double>& family();
template <>
const simd::SmallLinalgKernels<float>& family();
template <>
const simd::SmallLinalgKernels<double>& family();
template <>
const simd::SecularKernels& family();
template <>
const simd::Int8GemmKernels& family();
template <>
const simd::ExpressionKernels<float>& family();
template <>
const simd::ExpressionKernels<double>& family();

// Places among the variants that the build has; the first is what the process has chosen, be it for
// its CPU or for the same bits on every machine.
std::size_t variant_in_use();
std::size_t variant_of_cpu();

// The kernels of a precision that work in bfloat16; null where the CPU lacks the instructions, or
// does better by kernels<float>().gemm.
const simd::SplitGemmKernels* split_kernels(Precision precision);

}  // namespace unitgain::runtime
