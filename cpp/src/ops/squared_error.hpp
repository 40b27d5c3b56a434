// Squared and absolute error of rows against target values, with the gradient of the former.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// For each row i of contiguous outputs and targets: row_losses[i] = mean_j (y_ij - t_ij)^2,
// row_absolute_errors[i] = mean_j |y_ij - t_ij|, and, unless gradient is null, gradient_ij = scale
// (y_ij - t_ij).
template <class T>
void squared_error(const runtime::Team& team, const T* outputs, const T* targets, Index rows,
                   Index cols, T scale, T* gradient, double* row_losses,
                   double* row_absolute_errors);

}  // namespace unitgain::ops
