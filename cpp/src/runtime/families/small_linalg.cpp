#include "simd/kernels/small_linalg.hpp"

#include "runtime/families/family.hpp"

UNITGAIN_FAMILY(SmallLinalgKernels<float>, small_linalg_f32)
UNITGAIN_FAMILY(SmallLinalgKernels<double>, small_linalg_f64)
