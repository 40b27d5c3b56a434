// The singular values of a matrix of which only the diagonal and the first row are not zero.
#pragma once

#include "simd/kernels/secular.hpp"
#include "unitgain/types.hpp"

namespace unitgain::linalg {

// M has z as first row and d below it on the diagonal; 0 = d[0] < d[1] < ..., no z_j is 0. Its
// singular values s are the roots of 1 + sum of z_j^2 / (d_j^2 - s^2), one above each d_j.
struct SecularEquation {
  const double* d;
  const double* z;
  const double* z2;  // squares of z
  Index n;
};

// Root i, between d[i] and the next, or above the last.
simd::SecularRoot find_root(const SecularEquation& equation, Index i);

// The singular value that a root is.
double value_of(simd::SecularRoot root);

}  // namespace unitgain::linalg
