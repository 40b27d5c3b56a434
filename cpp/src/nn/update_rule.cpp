#include "nn/update_rule.hpp"

#include <algorithm>
#include <cmath>

namespace unitgain::nn {

using simd::Update;

UpdateRule update_rule(const OptimizerSpec& spec, bool matrix) {
  switch (spec.kind) {
    case OptimizerKind::sgd:
      if (spec.momentum == 0) return {Update::sgd, 0, {}};
      return {spec.nesterov ? Update::nesterov : Update::momentum, 1, {"momentum"}};
    case OptimizerKind::adagrad:
      return {Update::adagrad, 1, {"accumulator"}};
    case OptimizerKind::adadelta:
      return {Update::adadelta, 2, {"accumulated_grad", "accumulated_delta_var"}};
    case OptimizerKind::rmsprop:
      if (spec.momentum > 0) {
        if (!spec.centered) return {Update::rmsprop_momentum, 2, {"velocity", "momentum"}};
        return {Update::rmsprop_centered_momentum, 3, {"velocity", "momentum", "average_gradient"}};
      }
      if (!spec.centered) return {Update::rmsprop, 1, {"velocity"}};
      return {Update::rmsprop_centered, 2, {"velocity", "average_gradient"}};
    case OptimizerKind::adam:
      if (!spec.amsgrad) return {Update::adam, 2, {"momentum", "velocity"}};
      return {Update::amsgrad, 3, {"momentum", "velocity", "velocity_hat"}};
    case OptimizerKind::adamax:
      return {Update::adamax, 2, {"momentum", "norm"}};
    case OptimizerKind::nadam:
      return {Update::nadam, 2, {"momentum", "velocity"}};
    case OptimizerKind::lion:
      return {Update::lion, 1, {"momentum"}};
    case OptimizerKind::muon:
      if (!matrix) return {Update::adam, 2, {"momentum", "velocity"}};
      return {spec.nesterov ? Update::muon_nesterov : Update::muon, 1, {"momentum"}};
    case OptimizerKind::lamb:
      return {Update::lamb, 2, {"momentum", "velocity"}, true};
    case OptimizerKind::ftrl:
      return {Update::ftrl, 2, {"accumulator", "linear"}};
    case OptimizerKind::adafactor:  // its moments are shorter than the arrays
      return {matrix ? Update::gradient : Update::adafactor, 0, {}, true};
  }
  return {Update::average, 0, {}};
}

double nadam_momentum(const OptimizerSpec& spec, std::int64_t step) {
  return spec.beta_1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step)));
}

template <class T>
simd::UpdateFactors<T> update_factors(const OptimizerSpec& spec, double learning_rate,
                                      std::int64_t step, double momentum_product) {
  const auto t = static_cast<double>(step);
  const double missing_1 = 1 - std::pow(spec.beta_1, t), missing_2 = 1 - std::pow(spec.beta_2, t);
  const bool by_rho = spec.kind == OptimizerKind::adadelta || spec.kind == OptimizerKind::rmsprop;
  double rate = learning_rate, gradient_rate = 0, epsilon = spec.epsilon;
  double one_minus_beta_2 = 1 - (by_rho ? spec.rho : spec.beta_2);
  if (spec.kind == OptimizerKind::muon) rate *= spec.adam_lr_ratio;
  if (spec.kind == OptimizerKind::adam || spec.kind == OptimizerKind::muon) {
    rate *= std::sqrt(missing_2) / missing_1;
  } else if (spec.kind == OptimizerKind::lamb) {
    rate = std::sqrt(missing_2) / missing_1;
    epsilon *= std::sqrt(missing_2);
  } else if (spec.kind == OptimizerKind::adafactor) {
    rate = std::min(rate, 1 / std::sqrt(t));
    epsilon = spec.epsilon_1;
    one_minus_beta_2 = std::pow(t, spec.beta_2_decay);
  } else if (spec.kind == OptimizerKind::adamax) {
    rate /= missing_1;
  } else if (spec.kind == OptimizerKind::nadam) {
    // The root of v's correction moves from the divisor to all else.
    const double root = std::sqrt(missing_2);
    const double ahead = nadam_momentum(spec, step + 1);
    epsilon *= root;
    gradient_rate = rate * root * (1 - nadam_momentum(spec, step)) / (1 - momentum_product);
    rate *= root * ahead / (1 - momentum_product * ahead);
  }
  simd::UpdateFactors<T> factors{};
  factors.rate = static_cast<T>(rate);
  factors.gradient_rate = static_cast<T>(gradient_rate);
  factors.momentum = static_cast<T>(spec.momentum);
  factors.one_minus_beta_1 = static_cast<T>(1 - spec.beta_1);
  factors.one_minus_beta_2 = static_cast<T>(one_minus_beta_2);
  factors.epsilon = static_cast<T>(epsilon);
  factors.scale[0] = factors.scale[1] = 1;
  factors.power = static_cast<T>(-spec.learning_rate_power);
  factors.beta = static_cast<T>(spec.beta);
  factors.l1 = static_cast<T>(spec.l1_regularization_strength);
  factors.l2 = static_cast<T>(spec.l2_regularization_strength);
  factors.shrinkage = static_cast<T>(spec.l2_shrinkage_regularization_strength);
  return factors;
}

template simd::UpdateFactors<float> update_factors(const OptimizerSpec&, double, std::int64_t,
                                                   double);
template simd::UpdateFactors<double> update_factors(const OptimizerSpec&, double, std::int64_t,
                                                    double);

}  // namespace unitgain::nn
