// The kinds of noise, each said once. The kernels' sources include this file, so it holds no
// function (see docs/kernels.md).
#pragma once

#include "unitgain/types.hpp"

namespace unitgain {

// Random numbers of layers in training: values to drop, or numbers to add or to multiply by. The
// name, and how many parameters it has.
#define UNITGAIN_NOISES(ROW) \
  ROW(dropout, 1)            \
  ROW(alpha_dropout, 1)      \
  ROW(gaussian_noise, 1)     \
  ROW(gaussian_dropout, 1)   \
  ROW(rrelu, 2)

#define UNITGAIN_VALUE(kind, ...) kind,
#define UNITGAIN_ONE(...) +1
enum class Noise : int { UNITGAIN_NOISES(UNITGAIN_VALUE) };
inline constexpr int noise_count = UNITGAIN_NOISES(UNITGAIN_ONE);
#undef UNITGAIN_VALUE
#undef UNITGAIN_ONE

}  // namespace unitgain
