// The activations, each said once: the enumeration, names, parameters with their defaults and
// ranges, the kernels' table, Python's functions and the guide's table follow from these rows. The
// kernels' sources include this file, so it holds no function (see docs/kernels.md).
#pragma once

#include "unitgain/types.hpp"

namespace unitgain {

// The range of a parameter, which is finite besides.
enum class Range : int { any, at_least_0, above_0, at_least_0_or_infinite };

// Whether the derivative is evaluated at the activation's input: its formula in simd/ has no
// derivative_at_output.
inline constexpr bool at_input = true, at_output = false;

// The value of the enumeration, the name, where the derivative is evaluated, the formula, and the
// parameters: name, default, range. general_relu is relu with parameters other than its defaults
// (see unitgain/activation.hpp).
#define UNITGAIN_ACTIVATIONS(ROW)                                                              \
  ROW(linear, "linear", at_output, "x")                                                        \
  ROW(relu, "relu", at_output, "max(x, 0)", {"negative_slope", 0.0, Range::at_least_0},        \
      {"max_value", __builtin_inf(), Range::at_least_0_or_infinite},                           \
      {"threshold", 0.0, Range::any})                                                          \
  ROW(leaky_relu, "leaky_relu", at_output, "x where x > 0, else negative_slope x",             \
      {"negative_slope", 0.2, Range::at_least_0})                                              \
  ROW(elu, "elu", at_output, "x where x > 0, else alpha (exp(x) - 1)",                         \
      {"alpha", 1.0, Range::at_least_0})                                                       \
  ROW(selu, "selu", at_output, "1.0507 elu(x, 1.6733)")                                        \
  ROW(sigmoid, "sigmoid", at_output, "1 / (1 + exp(-x))")                                      \
  ROW(tanh, "tanh", at_output, "tanh(x)")                                                      \
  ROW(silu, "silu", at_input, "x sigmoid(x)")                                                  \
  ROW(step, "step", at_output, "1 where x >= 0, else 0")                                       \
  ROW(general_relu, "relu", at_input, "max(x, 0)", {"negative_slope", 0.0, Range::at_least_0}, \
      {"max_value", __builtin_inf(), Range::at_least_0_or_infinite},                           \
      {"threshold", 0.0, Range::any})                                                          \
  ROW(relu6, "relu6", at_output, "min(max(x, 0), 6)")                                          \
  ROW(celu, "celu", at_output, "x where x > 0, else alpha (exp(x / alpha) - 1)",               \
      {"alpha", 1.0, Range::above_0})                                                          \
  ROW(gelu, "gelu", at_input, "x Phi(x)")                                                      \
  ROW(gelu_tanh, "gelu_tanh", at_input, "x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))")   \
  ROW(hard_sigmoid, "hard_sigmoid", at_output, "relu6(x + 3) / 6")                             \
  ROW(softplus, "softplus", at_input, "log(1 + exp(x))")                                       \
  ROW(log_sigmoid, "log_sigmoid", at_input, "log(sigmoid(x))")                                 \
  ROW(softsign, "softsign", at_output, "x / (1 + abs(x))")                                     \
  ROW(hard_silu, "hard_silu", at_input, "x relu6(x + 3) / 6")                                  \
  ROW(mish, "mish", at_input, "x tanh(softplus(x))")                                           \
  ROW(exponential, "exponential", at_output, "exp(x)")

#define UNITGAIN_VALUE(kind, ...) kind,
enum class Activation : int { UNITGAIN_ACTIVATIONS(UNITGAIN_VALUE) };
#undef UNITGAIN_VALUE

#define UNITGAIN_ONE(...) +1
inline constexpr int activation_count = UNITGAIN_ACTIVATIONS(UNITGAIN_ONE);
#undef UNITGAIN_ONE

}  // namespace unitgain
