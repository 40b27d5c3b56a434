// The functions that every instruction-set variant provides: a table of function pointers for each
// family, in simd/kernels/, and the table of these tables. Who calls a family's kernels includes
// its header, so that what changes there is compiled again where it is called and nowhere else.
//
// Sources above this floor and the sources in simd/ both include these files, so they hold types
// and declarations only: an inline function here could be compiled for AVX-512 and kept by the
// linker as the copy that every CPU runs.
//
// The contract of every kernel: one thread; raw pointers and element counts; any alignment; sizes
// may be zero; matrices are row-major with a row stride in elements and unit column stride unless
// both strides are given; inputs may equal the output exactly where "in place" is said, and must
// not overlap it otherwise.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

template <class T>
struct GemmKernels;
template <class T>
struct ThinGemmKernels;
template <class T>
struct ActivationKernels;
template <class T>
struct PreluKernels;
template <class T>
struct SoftmaxKernels;
template <class T>
struct LossKernels;
template <class T>
struct ColumnKernels;
template <class T>
struct RowKernels;
template <class T>
struct OptimizerKernels;
template <class T>
struct WeightKernels;
template <class T>
struct NoiseKernels;
template <class T>
struct VectorKernels;
template <class T>
struct ClusterKernels;
template <class T>
struct SmallLinalgKernels;
template <class T>
struct ExpressionKernels;
struct Int8GemmKernels;
struct SplitGemmKernels;
struct ExponentRange;
struct SecularKernels;
struct PeakKernels;

// sum_i values_i weights_i with an error that does not grow with n; weights may be null: 1.
using WeightedSum = double (*)(const double* values, const double* weights, Index n);

// The families that a saved network may need to predict. The others, losses, optimizers, weights of
// 8 bits, functions of one's own and two of linear algebra, are chosen each for itself
// (runtime/families/), so that a program without them is a quarter smaller.
template <class T>
struct Kernels {
  const GemmKernels<T>* gemm;
  const ThinGemmKernels<T>* thin_gemm;
  const ActivationKernels<T>* activation;
  const PreluKernels<T>* prelu;
  const SoftmaxKernels<T>* softmax;
  const ColumnKernels<T>* column;
  const RowKernels<T>* row;
  const WeightKernels<T>* weight;
  const NoiseKernels<T>* noise;
  const VectorKernels<T>* vector;
  const ClusterKernels<T>* cluster;
};

struct KernelTable {
  Kernels<float> f32;
  Kernels<double> f64;
  WeightedSum weighted_sum;
  // By Precision; null where `gemm` of f32 is no slower. Only for CPUs with AVX512_BF16, see
  // runtime::split_kernels.
  const SplitGemmKernels* split[precision_count];
  const PeakKernels* peak;
};

}  // namespace unitgain::simd
