// Constraints that weights fulfil after each step.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain {

enum class ConstraintKind {
  none,
  non_negative,  // w = max(w, 0)
  norm,          // w *= (rate min(max(norm, least), most) + (1 - rate) norm) / (norm + 1e-7)
  custom,        // what the embedding program does
};

struct ConstraintSpec {
  ConstraintKind kind = ConstraintKind::none;
  // Each norm is over these axes, from 0, which are neighbours; over all if there are none.
  std::vector<int> axes = {};
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  double rate = 1;
  // Changes the weights itself; called by the thread that asks for the step.
  std::function<void()> custom = {};
};

}  // namespace unitgain
