// An optimizer: the rule by which gradients change weights, and its settings.
#pragma once

#include <vector>

#include "unitgain/constraint.hpp"
#include "unitgain/penalty.hpp"
#include "unitgain/rows/optimizer.hpp"
#include "unitgain/schedule.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

enum class Clipping { none, value, norm, global_norm };

// AdamW is Adam with a weight decay.
struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::sgd;
  double learning_rate = 0.001;
  ScheduleSpec schedule = {};  // of the learning rate: evaluated at each step
#define UNITGAIN_MEMBER(type, name, value) type name = value;
  UNITGAIN_OPTIMIZER_PARAMETERS(UNITGAIN_MEMBER)
#undef UNITGAIN_MEMBER

  // For every rule, before it: gradients are clipped, weights lose learning_rate * weight_decay of
  // themselves. After it: averages of the weights, which replace them every so many steps (0:
  // never).
  Clipping clipping = Clipping::none;
  double clip = 0;
  double weight_decay = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::int64_t ema_overwrite_frequency = 0;
  // The mean gradient of so many calls makes one step.
  std::int64_t accumulation_steps = 1;
  // The caller's scale of losses (0: none). A step with a gradient that is not finite is
  // left out, and halves the scale; so many others in a row double it.
  double loss_scale = 0;
  std::int64_t scale_growth_steps = 2000;
};

// How one array is treated.
struct UpdateOptions {
  bool decay = true;          // whether it has weight decay
  bool orthogonalize = true;  // whether Muon takes it, if it is a matrix
  double rate = 1;            // times the learning rate, and so times the decay
  PenaltySpec penalty = {};   // of a network's steps; other gradients come with theirs
  ConstraintSpec constraint = {};
};

// Throws ValueError for options that do not go with an array of this shape.
void check_options(const UpdateOptions& options, const std::vector<Index>& shape);

// Weights that an optimizer changes, contiguous and its owner's.
template <class T>
struct OptimizedArray {
  T* data;
  std::vector<Index> shape;
  UpdateOptions options;
};

}  // namespace unitgain
