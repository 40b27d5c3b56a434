// Secular equations.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// The root s of a secular equation as s^2 = origin^2 + shift, so that the differences of squares
// d_j^2 - s^2 = (d_j - origin) (d_j + origin) - shift are accurate for d_j near s.
struct SecularRoot {
  double origin;
  double shift;
};

// Sums over the poles d_j of a secular equation, see linalg/secular.hpp.
struct SecularKernels {
  // sums[0] = the sum of z2_j / (d_j^2 - s^2), sums[1] = that of z2_j / (d_j^2 - s^2)^2.
  void (*sums)(const double* d, const double* z2, SecularRoot root, Index n, double* sums);
  // products_j *= (d_j^2 - s^2) / (d_j^2 - pole^2).
  void (*multiply)(const double* d, SecularRoot root, double pole, double* products, Index n);
  // right_j = z_j / (d_j^2 - s^2), left_j = d_j right_j, and the sums of their squares.
  void (*vectors)(const double* d, const double* z, SecularRoot root, Index n, double* left,
                  double* right, double* squares);
};

}  // namespace unitgain::simd
