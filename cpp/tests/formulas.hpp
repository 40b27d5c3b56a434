// The activations and their derivatives by their definitions, for expected values.
#pragma once

#include <cmath>

#include "unitgain/types.hpp"

namespace unitgain::tests {

// Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017, appendix
// A1.
inline constexpr long double selu_alpha = 1.6732632423543772848170429916717L;
inline constexpr long double selu_scale = 1.0507009873554804934193349852946L;

template <class Real>
Real sigmoid(Real x) {
  return 1 / (1 + std::exp(-x));
}

template <class Real>
Real activation(const ActivationSpec& spec, Real x) {
  const auto first = static_cast<Real>(spec.parameters[0]);
  switch (spec.kind) {
    case Activation::linear:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::leaky_relu:
      return x < 0 ? first * x : x;
    case Activation::elu:
      return x < 0 ? first * std::expm1(x) : x;
    case Activation::selu:
      return static_cast<Real>(selu_scale) *
             (x < 0 ? static_cast<Real>(selu_alpha) * std::expm1(x) : x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::silu:
      // exp(-x) overflows long before x does, and the product's limit is 0.
      return x < -12000 ? 0 : x * sigmoid(x);
  }
  return 0;
}

// The derivative at x. At the kink, the one from the left.
template <class Real>
Real derivative(const ActivationSpec& spec, Real x) {
  const auto first = static_cast<Real>(spec.parameters[0]);
  switch (spec.kind) {
    case Activation::linear:
      return 1;
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::leaky_relu:
      return x > 0 ? 1 : first;
    case Activation::elu:
      return x > 0 ? 1 : first * std::exp(x);
    case Activation::selu:
      return static_cast<Real>(selu_scale) *
             (x > 0 ? 1 : static_cast<Real>(selu_alpha) * std::exp(x));
    case Activation::sigmoid:
      return sigmoid(x) * sigmoid(-x);
    case Activation::tanh:
      return 1 / (std::cosh(x) * std::cosh(x));
    case Activation::silu:
      return sigmoid(x) * (1 + x * sigmoid(-x));
  }
  return 0;
}

}  // namespace unitgain::tests
