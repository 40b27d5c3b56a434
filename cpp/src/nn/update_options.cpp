#include <cmath>

#include "base/shape_text.hpp"
#include "nn/constraint.hpp"
#include "unitgain/error.hpp"
#include "unitgain/optimizer.hpp"

namespace unitgain {

namespace {

void check_factor(const char* what, double value) {
  if (std::isfinite(value) && value >= 0) return;
  throw ValueError(std::string(what) + " must be finite and at least 0, but it is " +
                   std::to_string(value));
}

}  // namespace

void check_options(const UpdateOptions& options, const std::vector<Index>& shape) {
  check_factor("an array's rate", options.rate);
  const PenaltySpec& penalty = options.penalty;
  check_factor("l1", penalty.l1);
  check_factor("l2", penalty.l2);
  check_factor("the orthogonal factor", penalty.orthogonal);
  if (penalty.orthogonal != 0 && shape.size() != 2) {
    throw ValueError("the orthogonal penalty is one of matrices, but the weights have shape " +
                     base::shape_text(shape));
  }
  const ConstraintSpec& constraint = options.constraint;
  if (constraint.kind == ConstraintKind::norm) nn::norm_layout(constraint.axes, shape);
  if (constraint.kind == ConstraintKind::custom && !constraint.custom) {
    throw ValueError("a custom constraint needs a function");
  }
}

}  // namespace unitgain
