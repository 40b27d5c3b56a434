// Terms of the loss for weights that are large, or alike.
#pragma once

#include <functional>

#include "unitgain/types.hpp"

namespace unitgain {

// The sum of those that are not 0.
struct PenaltySpec {
  double l1 = 0;  // times the sum of |w|
  double l2 = 0;  // times the sum of w^2
  // Times the mean of |cosine| over all pairs of a matrix's rows, or columns.
  double orthogonal = 0;
  bool columns = false;
  // The embedding program's own penalty: writes the gradient, `bytes` long and of the weights'
  // type, and returns the penalty. Called before each step by the thread that asks for it.
  std::function<double(void* gradient, Index bytes)> custom = {};
};

}  // namespace unitgain
