#include "runtime/contracts/contracts.hpp"

namespace unitgain::runtime {

namespace {

template <class T>
simd::Kernels<T> families_of(const simd::Kernels<T>& kernels) {
  return {
      .gemm = with_contracts(*kernels.gemm),
      .thin_gemm = with_contracts(*kernels.thin_gemm),
      .activation = with_contracts(*kernels.activation),
      .prelu = with_contracts(*kernels.prelu),
      .softmax = with_contracts(*kernels.softmax),
      .column = with_contracts(*kernels.column),
      .row = with_contracts(*kernels.row),
      .weight = with_contracts(*kernels.weight),
      .noise = with_contracts(*kernels.noise),
      .vector = with_contracts(*kernels.vector),
      .cluster = with_contracts(*kernels.cluster),
  };
}

simd::KernelTable checked(const simd::KernelTable& table) {
  simd::KernelTable result = table;
  result.f32 = families_of(table.f32);
  result.f64 = families_of(table.f64);
  for (int i = 0; i < precision_count; ++i) {
    if (table.split[i] != nullptr) {
      result.split[i] = with_contracts(*table.split[i], static_cast<Precision>(i));
    }
  }
  result.peak = with_contracts(*table.peak);
  return result;
}

}  // namespace

const simd::KernelTable& with_contracts(const simd::KernelTable& table) {
  static const simd::KernelTable result = checked(table);
  return result;
}

}  // namespace unitgain::runtime
