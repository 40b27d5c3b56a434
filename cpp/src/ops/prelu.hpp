// PReLU with slopes that repeat along the rows.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y_ij = x_ij where that is positive, alpha_j x_ij elsewhere; x has rows x cols values and alpha
// cols. y may be x.
template <class T>
void prelu(const runtime::Team& team, const T* x, const T* alpha, T* y, Index rows, Index cols);

// The gradients at x (may be null, may be x or upstream) and at alpha (may be null), the latter's
// error not growing with the rows. `products` is scratch memory for rows x cols values, needed for
// alpha's.
template <class T>
void prelu_gradient(const runtime::Team& team, const T* x, const T* alpha, const T* upstream,
                    T* gradient, T* products, T* alpha_gradient, Index rows, Index cols);

}  // namespace unitgain::ops
