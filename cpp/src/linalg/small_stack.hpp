// Stacks of small matrices, one matrix a vector lane.
#pragma once

#include <span>

#include "linalg/stack.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain::linalg {

// Whether lanes do `count` matrices of `rows` x `cols` entries, rows >= cols, faster than one
// matrix after the other.
template <class T>
bool pay_lanes(Index count, Index rows, Index cols);

// Solve the waiting problems of a stack of equal shapes, but for the few that need what lanes do
// not do, and those that have entries that are not finite, or share vectors with such.
template <class T>
void svd_in_lanes(std::span<const SvdProblem<T>> problems, const Cost& cost, Waiting& waiting);
template <class T>
void pinv_in_lanes(std::span<const PinvProblem<T>> problems, const Cost& cost, Waiting& waiting);

}  // namespace unitgain::linalg
