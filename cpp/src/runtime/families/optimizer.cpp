#include "simd/kernels/optimizer.hpp"

#include "runtime/families/family.hpp"

UNITGAIN_FAMILY(OptimizerKernels<float>, optimizer_f32)
UNITGAIN_FAMILY(OptimizerKernels<double>, optimizer_f64)
