// The kernels behind their contracts, in a build with UNITGAIN_ASSERTIONS: what the comments of
// simd/kernels/ ask of the arguments is asserted on the way from the dispatch table to the kernel,
// whoever calls it.
#pragma once

#include "simd/kernels.hpp"

namespace unitgain::runtime {

// The table whose kernels assert their contracts and then are those of `table`. All calls are to be
// for one table, which the process has chosen.
const simd::KernelTable& with_contracts(const simd::KernelTable& table);

// The same of each family. A function that is null stays so.
template <class T>
const simd::GemmKernels<T>* with_contracts(const simd::GemmKernels<T>& kernels);
template <class T>
const simd::ThinGemmKernels<T>* with_contracts(const simd::ThinGemmKernels<T>& kernels);
template <class T>
const simd::ActivationKernels<T>* with_contracts(const simd::ActivationKernels<T>& kernels);
template <class T>
const simd::PreluKernels<T>* with_contracts(const simd::PreluKernels<T>& kernels);
template <class T>
const simd::SoftmaxKernels<T>* with_contracts(const simd::SoftmaxKernels<T>& kernels);
template <class T>
const simd::LossKernels<T>* with_contracts(const simd::LossKernels<T>& kernels);
template <class T>
const simd::ColumnKernels<T>* with_contracts(const simd::ColumnKernels<T>& kernels);
template <class T>
const simd::RowKernels<T>* with_contracts(const simd::RowKernels<T>& kernels);
template <class T>
const simd::OptimizerKernels<T>* with_contracts(const simd::OptimizerKernels<T>& kernels);
template <class T>
const simd::WeightKernels<T>* with_contracts(const simd::WeightKernels<T>& kernels);
template <class T>
const simd::NoiseKernels<T>* with_contracts(const simd::NoiseKernels<T>& kernels);
template <class T>
const simd::VectorKernels<T>* with_contracts(const simd::VectorKernels<T>& kernels);
template <class T>
const simd::ClusterKernels<T>* with_contracts(const simd::ClusterKernels<T>& kernels);
template <class T>
const simd::SmallLinalgKernels<T>* with_contracts(const simd::SmallLinalgKernels<T>& kernels);
// One caller, which makes the blocks that it gives them: there is nothing to assert.
template <class T>
const simd::ExpressionKernels<T>* with_contracts(const simd::ExpressionKernels<T>& kernels) {
  return &kernels;
}
const simd::Int8GemmKernels* with_contracts(const simd::Int8GemmKernels& kernels);
const simd::SplitGemmKernels* with_contracts(const simd::SplitGemmKernels& kernels,
                                             Precision precision);
const simd::PeakKernels* with_contracts(const simd::PeakKernels& kernels);
const simd::SecularKernels* with_contracts(const simd::SecularKernels& kernels);

}  // namespace unitgain::runtime
