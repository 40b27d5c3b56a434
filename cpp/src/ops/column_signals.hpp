// Sums that show what the columns of a matrix are like.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/signals.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// sums: column_sum_count rows of x.cols values. The columns are split. `saturated` stays 0.
template <class T>
void column_signals(const runtime::Team& team, MatrixView<const T> x, double* sums);

// Adds to `saturated` (x.cols values) the rows in which the activation's slope at x is at most
// `limit`.
template <class T>
void count_saturated(const runtime::Team& team, const ActivationSpec& activation, double limit,
                     MatrixView<const T> x, double* saturated);

// A hundredth of the activation's largest slope between -3 and 3, where units with standardised
// inputs are; beyond, some slopes grow without bound.
template <class T>
double saturated_slope(const ActivationSpec& activation);

// Counts the finite values in bins of equal width between the smallest and the largest.
template <class T>
void histogram(MatrixView<const T> x, double smallest, double largest, Index bins, double* counts);

}  // namespace unitgain::ops
