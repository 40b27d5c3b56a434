#include "simd/kernels/secular.hpp"

#include "runtime/families/family.hpp"

UNITGAIN_FAMILY(SecularKernels, secular)
