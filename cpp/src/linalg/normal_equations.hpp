// Least squares by A^T A x = A^T b.
#pragma once

#include "unitgain/linalg.hpp"

namespace unitgain::linalg {

// Solves a checked problem, but for entries that are not finite, if the normal equations in double
// do so as well as a QR decomposition would; false, and nothing of use written, if not.
template <class T>
bool solve_by_normal_equations(const LstsqProblem<T>& problem);

}  // namespace unitgain::linalg
