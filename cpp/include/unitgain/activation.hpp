// The activation functions by name: their parameters, and what their derivatives need.
#pragma once

#include <span>
#include <string_view>

#include "unitgain/rows/activation.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

struct ActivationInfo {
  const char* name;
  // Whether the derivative is evaluated at the activation's input; at its output otherwise.
  bool saves_input;
  const char* formula;
  int parameter_count;
  const char* parameter_names[3];
  double defaults[3];
  Range ranges[3];
};

const ActivationInfo& activation_info(Activation kind);

// All of them, in the order of the enumeration.
std::span<const ActivationInfo> activation_infos();

// The activation of that name ("swish" is silu), with its default parameters. Throws ValueError for
// an unknown name; the message lists the names and suggests the nearest.
ActivationSpec activation_spec(std::string_view name);

// Throws ValueError unless the parameters are finite (relu's max_value may be infinite) and at
// least 0, celu's alpha positive: with a negative slope or alpha the sign of the output would no
// longer tell the sign of the input, from which the derivative follows. relu's threshold may be
// anything.
void check_activation(const ActivationSpec& spec);

// The same function by its quickest kernel: relu with the default parameters is Activation::relu,
// with others Activation::general_relu. Activation::relu itself looks at no parameter.
ActivationSpec specialized(ActivationSpec spec);

}  // namespace unitgain
