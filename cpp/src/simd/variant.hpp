// The tables that one variant's sources define, each in the variant's own namespace.
// UNITGAIN_VARIANT is set by the build: baseline, avx2, avx512 or amx. So is
// UNITGAIN_SHARED_VARIANT, the variant whose tables this one takes where its own would be the same:
// avx512 for amx, else itself.
#pragma once

#include "simd/kernels.hpp"

// Whether the variant has AMX's tiles (simd/tiles.hpp).
#if defined(__AMX_BF16__)
#define UNITGAIN_TILES
#endif

namespace unitgain::simd::UNITGAIN_SHARED_VARIANT {

extern const GemmKernels<float> gemm_f32;
extern const GemmKernels<double> gemm_f64;
extern const ThinGemmKernels<float> thin_gemm_f32;
extern const ThinGemmKernels<double> thin_gemm_f64;
extern const ActivationKernels<float> activation_f32;
extern const ActivationKernels<double> activation_f64;
extern const PreluKernels<float> prelu_f32;
extern const PreluKernels<double> prelu_f64;
extern const SoftmaxKernels<float> softmax_f32;
extern const SoftmaxKernels<double> softmax_f64;
extern const LossKernels<float> loss_f32;
extern const LossKernels<double> loss_f64;
double weighted_sum(const double* values, const double* weights, Index n);
extern const ColumnKernels<float> column_f32;
extern const ColumnKernels<double> column_f64;
extern const RowKernels<float> row_f32;
extern const RowKernels<double> row_f64;
extern const OptimizerKernels<float> optimizer_f32;
extern const OptimizerKernels<double> optimizer_f64;
extern const WeightKernels<float> weight_f32;
extern const WeightKernels<double> weight_f64;
extern const NoiseKernels<float> noise_f32;
extern const NoiseKernels<double> noise_f64;
extern const VectorKernels<float> vector_f32;
extern const VectorKernels<double> vector_f64;
extern const ClusterKernels<float> cluster_f32;
extern const ClusterKernels<double> cluster_f64;
extern const SmallLinalgKernels<float> small_linalg_f32;
extern const SmallLinalgKernels<double> small_linalg_f64;
extern const ExpressionKernels<float> expression_f32;
extern const ExpressionKernels<double> expression_f64;
extern const SecularKernels secular;

}  // namespace unitgain::simd::UNITGAIN_SHARED_VARIANT

namespace unitgain::simd::UNITGAIN_VARIANT {

extern const PeakKernels peak;
#if defined(__AVX512F__)
extern const SplitGemmKernels split_medium;
#endif
#if defined(UNITGAIN_TILES)
extern const SplitGemmKernels split_high;
extern const SplitGemmKernels split_highest;
#endif

extern const KernelTable table;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
