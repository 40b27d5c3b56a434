#include "nn/update_rule.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string_view>

namespace unitgain::nn {

using simd::Update;

namespace {

struct Row {
  std::string_view name;
  UpdateRule rule;
};

constexpr UpdateRule rule_of(Update update, bool by_array,
                             std::initializer_list<const char*> names) {
  UpdateRule rule{update, 0, {}, by_array};
  for (const char* name : names) rule.names[rule.slots++] = name;
  return rule;
}

#define UNITGAIN_ROW(update, by_array, ...) \
  {#update, rule_of(Update::update, by_array, {__VA_ARGS__})},
constexpr Row rows[] = {UNITGAIN_UPDATES(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

#define UNITGAIN_NAME(kind) #kind,
constexpr std::string_view kinds[] = {UNITGAIN_OPTIMIZERS(UNITGAIN_NAME)};
#undef UNITGAIN_NAME

// The update of the optimizer itself.
Update named_update(OptimizerKind kind) {
  for (const Row& row : rows) {
    if (row.name == kinds[static_cast<int>(kind)]) return row.rule.update;
  }
  return Update::average;
}

Update update_of(const OptimizerSpec& spec, bool matrix) {
  switch (spec.kind) {
    case OptimizerKind::sgd:
      if (spec.momentum == 0) return Update::sgd;
      return spec.nesterov ? Update::nesterov : Update::momentum;
    case OptimizerKind::rmsprop:
      if (spec.momentum > 0) {
        return spec.centered ? Update::rmsprop_centered_momentum : Update::rmsprop_momentum;
      }
      return spec.centered ? Update::rmsprop_centered : Update::rmsprop;
    case OptimizerKind::adam:
      return spec.amsgrad ? Update::amsgrad : Update::adam;
    case OptimizerKind::muon:
      if (!matrix) return Update::adam;
      return spec.nesterov ? Update::muon_nesterov : Update::muon;
    case OptimizerKind::adafactor:  // its moments are shorter than the arrays
      return matrix ? Update::gradient : Update::adafactor;
    default:
      return named_update(spec.kind);
  }
}

}  // namespace

UpdateRule update_rule(const OptimizerSpec& spec, bool matrix) {
  return rows[static_cast<int>(update_of(spec, matrix))].rule;
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
