// Dropout with counter-based random numbers.
// Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to
// prevent neural networks from overfitting", JMLR 15, 2014.
#pragma once

#include <cstdint>

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y_i = x_i / (1 - rate) or 0; y may be x. Whether i is kept depends on (key, stream, i, rate)
// alone, so that the backward pass is the same call on the gradient. The probability of keeping is
// exactly 1 - round(rate 2^32) / 2^32. 0 <= rate < 1.
template <class T>
void dropout(const runtime::Team& team, const T* x, T* y, Index n, std::uint64_t key,
             std::uint64_t stream, double rate);

}  // namespace unitgain::ops
