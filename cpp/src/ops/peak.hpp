// How fast the machine is at best, measured: what an operation's rate can be compared with.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::ops {

// Floating-point operations a second of some threads together that do nothing else; 0 where the
// variant or the CPU lacks the instruction.
struct PeakRates {
  double multiply_adds_f32;
  double multiply_adds_f64;
  double dot_products;   // VDPBF16PS: pairs of bfloat16, summed in float32
  double tile_products;  // TDPBF16PS: the same in AMX tiles
};

// Takes some 0.1 s. Throws ValueError if threads < 1.
PeakRates peak_rates(int threads);

// Bytes a second at which the threads together read `bytes` of memory, each its own part, again and
// again: from the cache that holds them, or from memory if none does. Throws ValueError if threads
// < 1 or bytes < 512 a thread.
double read_rate(Index bytes, int threads);

}  // namespace unitgain::ops
