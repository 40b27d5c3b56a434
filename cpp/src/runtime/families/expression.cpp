#include "simd/kernels/expression.hpp"

#include "runtime/families/family.hpp"

UNITGAIN_FAMILY(ExpressionKernels<float>, expression_f32)
UNITGAIN_FAMILY(ExpressionKernels<double>, expression_f64)
