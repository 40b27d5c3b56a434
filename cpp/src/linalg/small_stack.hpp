// Stacks of small matrices, one matrix a vector lane.
#pragma once

#include <span>
#include <vector>

#include "unitgain/linalg.hpp"

namespace unitgain::linalg {

// Solve those problems of a stack of equal shapes, checked but for entries that are not finite,
// that lanes do faster than one matrix after the other, and put the others into `rest`: all of them
// if the stack is small or its matrices large, else the few that need what lanes do not do. They
// throw the LinAlgError for the first entry that is not finite.
template <class T>
void svd_in_lanes(std::span<const SvdProblem<T>> problems, std::vector<SvdProblem<T>>& rest);
template <class T>
void pinv_in_lanes(std::span<const PinvProblem<T>> problems, std::vector<PinvProblem<T>>& rest);

}  // namespace unitgain::linalg
