// Loops that measure the machine.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// A loop of one instruction, in `operations` (floating-point ones) a step; null where the variant
// lacks the instruction.
struct PeakLoop {
  void (*run)(Index steps);
  Index operations;
};

// Loops that measure how fast the machine can compute and read at best.
struct PeakKernels {
  PeakLoop multiply_adds_f32;
  PeakLoop multiply_adds_f64;
  PeakLoop dot_products;   // of pairs of bfloat16; the CPU may lack it: runtime::has_avx512_bf16()
  PeakLoop tile_products;  // of tiles of bfloat16
  // Reads n floats, n a multiple of 128, and returns something of them.
  float (*read)(const float* x, Index n);
};

}  // namespace unitgain::simd
