#include "simd/kernels/loss.hpp"

#include "runtime/families/family.hpp"

UNITGAIN_FAMILY(LossKernels<float>, loss_f32)
UNITGAIN_FAMILY(LossKernels<double>, loss_f64)
