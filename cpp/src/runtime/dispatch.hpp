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

}  // namespace unitgain::runtime
