// The activations and their derivatives by their definitions, for expected values.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "unitgain/rows/activation.hpp"
#include "unitgain/types.hpp"

namespace unitgain::tests {

// Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017, appendix
// A1.
inline constexpr long double selu_alpha = 1.6732632423543772848170429916717L;
inline constexpr long double selu_scale = 1.0507009873554804934193349852946L;

// Written so that nothing cancels; exp(-x) that overflows is 0 in a denominator.
template <class Real>
Real sigmoid(Real x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

template <class Real>
Real softplus(Real x) {
  return std::max(x, Real(0)) + std::log1p(std::exp(-std::abs(x)));
}

template <class Real>
Real gelu_argument(Real x) {
  const Real limited = std::clamp(x, Real(-1000), Real(1000));
  return std::sqrt(Real(8) / std::numbers::pi_v<Real>) *
         (limited + Real(0.044715L) * limited * limited * limited);
}

template <class Real>
Real gelu_argument_slope(Real x) {
  return std::sqrt(Real(8) / std::numbers::pi_v<Real>) * (1 + 3 * Real(0.044715L) * x * x);
}

// x times a gate that falls to 0 faster than x grows.
template <class Real>
Real gated(Real x, Real gate) {
  return gate == 0 ? Real(0) : x * gate;
}

template <class Real>
Real mish_gate(Real x) {
  if (x > 40) return 1;
  const Real e = std::exp(x), n = e * (e + 2);
  return n / (n + 2);
}

template <class Real>
Real general_relu(const ActivationSpec& spec, Real x) {
  const auto slope = static_cast<Real>(spec.parameters[0]);
  const auto threshold = static_cast<Real>(spec.parameters[2]);
  if (x >= static_cast<Real>(spec.parameters[1])) return static_cast<Real>(spec.parameters[1]);
  return x >= threshold ? x : slope == 0 ? 0 : slope * (x - threshold);
}

template <class Real>
Real activation(const ActivationSpec& spec, Real x) {
  const auto first = static_cast<Real>(spec.parameters[0]);
  if (std::isnan(x)) return x;
  switch (spec.kind) {
    case Activation::linear:
      return x;
    case Activation::step:
      return x >= 0 ? 1 : 0;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::general_relu:
      return general_relu(spec, x);
    case Activation::relu6:
      return std::clamp(x, Real(0), Real(6));
    case Activation::leaky_relu:
      return x < 0 ? first * x : x;
    case Activation::elu:
      return x < 0 ? first * std::expm1(x) : x;
    case Activation::selu:
      return static_cast<Real>(selu_scale) *
             (x < 0 ? static_cast<Real>(selu_alpha) * std::expm1(x) : x);
    case Activation::celu:
      return x < 0 ? first * std::expm1(x / first) : x;
    case Activation::exponential:
      return std::exp(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::hard_sigmoid:
      return std::clamp(x + 3, Real(0), Real(6)) / 6;
    case Activation::log_sigmoid:
      return -softplus(-x);
    case Activation::softplus:
      return softplus(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::softsign:
      return std::isinf(x) ? std::copysign(Real(1), x) : x / (1 + std::abs(x));
    case Activation::silu:
      return gated(x, sigmoid(x));
    case Activation::hard_silu:
      return gated(x, std::clamp(x + 3, Real(0), Real(6)) / 6);
    case Activation::gelu:
      return gated(x, std::erfc(-x / std::sqrt(Real(2))) / 2);
    case Activation::gelu_tanh:
      return gated(x, sigmoid(gelu_argument(x)));
    case Activation::mish:
      return gated(x, mish_gate(x));
  }
  return 0;
}

// The derivative at x. At a lower kink, the one from the left; 0 from where the function saturates.
template <class Real>
Real derivative(const ActivationSpec& spec, Real x) {
  const auto first = static_cast<Real>(spec.parameters[0]);
  switch (spec.kind) {
    case Activation::linear:
      return 1;
    case Activation::step:
      return 0;
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::general_relu:
      if (x >= static_cast<Real>(spec.parameters[1])) return 0;
      return x > static_cast<Real>(spec.parameters[2]) ? 1 : first;
    case Activation::relu6:
      return x > 0 && x < 6 ? 1 : 0;
    case Activation::leaky_relu:
      return x > 0 ? 1 : first;
    case Activation::elu:
      return x > 0 ? 1 : first * std::exp(x);
    case Activation::selu:
      return static_cast<Real>(selu_scale) *
             (x > 0 ? 1 : static_cast<Real>(selu_alpha) * std::exp(x));
    case Activation::celu:
      return x > 0 ? 1 : std::exp(x / first);
    case Activation::exponential:
      return std::exp(x);
    case Activation::sigmoid:
      return sigmoid(x) * sigmoid(-x);
    case Activation::hard_sigmoid:
      return x > -3 && x < 3 ? Real(1) / 6 : 0;
    case Activation::log_sigmoid:
      return sigmoid(-x);
    case Activation::softplus:
      return sigmoid(x);
    case Activation::tanh:
      return 4 * sigmoid(2 * x) * sigmoid(-2 * x);
    case Activation::softsign:
      return 1 / ((1 + std::abs(x)) * (1 + std::abs(x)));
    case Activation::silu:
      return sigmoid(x) + gated(x, sigmoid(x) * sigmoid(-x));
    case Activation::hard_silu:
      return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
    case Activation::gelu:
      return std::erfc(-x / std::sqrt(Real(2))) / 2 +
             gated(x, std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi_v<Real>));
    case Activation::gelu_tanh: {
      const Real z = gelu_argument(x);
      return sigmoid(z) + gated(x * gelu_argument_slope(x), sigmoid(z) * sigmoid(-z));
    }
    case Activation::mish: {
      const Real gate = mish_gate(x);
      return gate + gated(x, (1 - gate * gate) * sigmoid(x));
    }
  }
  return 0;
}

}  // namespace unitgain::tests
