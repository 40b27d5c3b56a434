// An optimizer: the rule by which gradients change weights, and its settings.
#pragma once

#include <vector>

#include "unitgain/constraint.hpp"
#include "unitgain/penalty.hpp"
#include "unitgain/schedule.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

enum class OptimizerKind {
  sgd,
  adagrad,
  adadelta,
  rmsprop,
  adam,
  adamax,
  nadam,
  lion,
  muon,
  lamb,
  ftrl,
  adafactor,
};

enum class Clipping { none, value, norm, global_norm };

// Keras's names and defaults, python/unitgain/optimizers has the formulas. AdamW is Adam with a
// weight decay. Each rule reads what it has.
struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::sgd;
  double learning_rate = 0.001;
  ScheduleSpec schedule = {};  // of the learning rate: evaluated at each step
  double momentum = 0;         // SGD, RMSprop, Muon
  bool nesterov = false;
  double beta_1 = 0.9;  // Adam and its kin, Lamb, Lion, and what Muon leaves to Adam
  double beta_2 = 0.999;
  double rho = 0.9;  // Adadelta, RMSprop
  double epsilon = 1e-7;
  bool amsgrad = false;
  bool centered = false;
  double initial_accumulator_value = 0.1;  // Adagrad, Ftrl
  double learning_rate_power = -0.5;       // Ftrl, with the next four
  double l1_regularization_strength = 0;
  double l2_regularization_strength = 0;
  double l2_shrinkage_regularization_strength = 0;
  double beta = 0;
  double beta_2_decay = -0.8;  // Adafactor, with the next three
  double epsilon_1 = 1e-30;
  double epsilon_2 = 1e-3;
  double clip_threshold = 1;

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
  // What the caller scales losses by (0: by nothing). A step with a gradient that is not finite is
  // left out, and halves the scale; so many others in a row double it.
  double loss_scale = 0;
  std::int64_t scale_growth_steps = 2000;

  // Muon: the polynomial a x + b x^3 + c x^5 and how often it is applied, the scale of an update
  // (0: as it is), and what differs for the arrays that are left to Adam.
  double muon_a = 3.4445, muon_b = -4.7750, muon_c = 2.0315;
  int ns_steps = 5;
  double rms_rate = 0.2;
  double adam_lr_ratio = 1;
  double adam_weight_decay = 0;
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
