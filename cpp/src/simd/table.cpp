#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

using namespace simd::UNITGAIN_SHARED_VARIANT;

// Constant-initialised: a constructor that ran at load time would be this variant's code on a CPU
// that may not have its instructions.
constinit const KernelTable table = {
    .f32 =
        {
            .gemm = &gemm_f32,
            .thin_gemm = &thin_gemm_f32,
            .activation = &activation_f32,
            .prelu = &prelu_f32,
            .softmax = &softmax_f32,
            .column = &column_f32,
            .row = &row_f32,
            .weight = &weight_f32,
            .noise = &noise_f32,
            .vector = &vector_f32,
            .cluster = &cluster_f32,
        },
    .f64 =
        {
            .gemm = &gemm_f64,
            .thin_gemm = &thin_gemm_f64,
            .activation = &activation_f64,
            .prelu = &prelu_f64,
            .softmax = &softmax_f64,
            .column = &column_f64,
            .row = &row_f64,
            .weight = &weight_f64,
            .noise = &noise_f64,
            .vector = &vector_f64,
            .cluster = &cluster_f64,
        },
    .weighted_sum = weighted_sum,
#if defined(UNITGAIN_TILES)
    .split = {&split_highest, &split_high, &split_medium},
#elif defined(__AVX512F__)
    .split = {nullptr, nullptr, &split_medium},
#else
    .split = {},
#endif
    .peak = &peak,
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
