#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

using namespace simd::UNITGAIN_SHARED_VARIANT;

// Constant-initialised: a constructor that ran at load time would be this variant's code on a CPU
// that may not have its instructions.
constinit const KernelTable table = {
    {&gemm_f32, &thin_gemm_f32, &activation_f32, &prelu_f32, &softmax_f32, &loss_f32, &column_f32,
     &row_f32, &optimizer_f32, &weight_f32, &noise_f32, &vector_f32, &cluster_f32,
     &small_linalg_f32},
    {&gemm_f64, &thin_gemm_f64, &activation_f64, &prelu_f64, &softmax_f64, &loss_f64, &column_f64,
     &row_f64, &optimizer_f64, &weight_f64, &noise_f64, &vector_f64, &cluster_f64,
     &small_linalg_f64},
    &weighted_sum,
#if defined(UNITGAIN_TILES)
    {&split_highest, &split_high, &split_medium},
#elif defined(__AVX512F__)
    {nullptr, nullptr, &split_medium},
#else
    {},
#endif
    &peak,
    &secular,
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
