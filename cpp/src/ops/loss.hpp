// Losses of rows, split over a team.
#pragma once

#include "runtime/dispatch.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels/loss.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// Whether all are 0 or 1: where signs are to be, 0 then stands for -1.
template <class T>
bool are_binary(const T* targets, Index n);

// The part of `rows` that this thread of the team computes, for the loss of `spec`.
template <class T>
void loss(const runtime::Team& team, const LossSpec& spec, const simd::LossRows<T>& rows);

// indices[i] = numpy.argmax of row i.
template <class T>
void argmax(const runtime::Team& team, const T* x, Index rows, Index cols, std::int32_t* indices);

// The divisor of the rows' weighted losses: their number, the sum of their weights, or 1.
// Rows whose label is ignored do not count. Not for Reduction::none.
double loss_divisor(const LossSpec& spec, const std::int32_t* labels, const double* weights,
                    Index rows);

// x / y, 0 if y is 0: the mean over no rows, as Keras has it.
double divide_no_nan(double x, double y);

}  // namespace unitgain::ops
