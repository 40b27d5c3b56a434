// The optimizers, their parameters and the updates that they are made of, each said once. The
// kernels' sources include this file, so it holds no function (see docs/kernels.md).
#pragma once

namespace unitgain {

// An optimizer whose update has its name takes that; nn/update_rule.cpp says which the others take.
#define UNITGAIN_OPTIMIZERS(ROW) \
  ROW(sgd)                       \
  ROW(adagrad)                   \
  ROW(adadelta)                  \
  ROW(rmsprop)                   \
  ROW(adam)                      \
  ROW(adamax)                    \
  ROW(nadam)                     \
  ROW(lion)                      \
  ROW(muon)                      \
  ROW(lamb)                      \
  ROW(ftrl)                      \
  ROW(adafactor)

// Type, name and default of what the rules read, each what it has. Keras's names and defaults;
// python/unitgain/optimizers has the formulas. The last are Muon's: the polynomial a x + b x^3 +
// c x^5 and how often it is applied, the scale of an update (0: as it is), and what differs for the
// arrays that are left to Adam.
#define UNITGAIN_OPTIMIZER_PARAMETERS(ROW)             \
  ROW(double, momentum, 0)                             \
  ROW(bool, nesterov, false)                           \
  ROW(double, beta_1, 0.9)                             \
  ROW(double, beta_2, 0.999)                           \
  ROW(double, rho, 0.9)                                \
  ROW(double, epsilon, 1e-7)                           \
  ROW(bool, amsgrad, false)                            \
  ROW(bool, centered, false)                           \
  ROW(double, initial_accumulator_value, 0.1)          \
  ROW(double, learning_rate_power, -0.5)               \
  ROW(double, l1_regularization_strength, 0)           \
  ROW(double, l2_regularization_strength, 0)           \
  ROW(double, l2_shrinkage_regularization_strength, 0) \
  ROW(double, beta, 0)                                 \
  ROW(double, beta_2_decay, -0.8)                      \
  ROW(double, epsilon_1, 1e-30)                        \
  ROW(double, epsilon_2, 1e-3)                         \
  ROW(double, clip_threshold, 1)                       \
  ROW(double, muon_a, 3.4445)                          \
  ROW(double, muon_b, -4.7750)                         \
  ROW(double, muon_c, 2.0315)                          \
  ROW(int, ns_steps, 5)                                \
  ROW(double, rms_rate, 0.2)                           \
  ROW(double, adam_lr_ratio, 1)                        \
  ROW(double, adam_weight_decay, 0)

// Whether an update's change is applied at once, or when the norms of the array's weights and
// changes are known.
inline constexpr bool of_elements = false, of_arrays = true;

// Updates of weights w from gradients g, with what each keeps in its slots between steps (from the
// first on, by Keras's names) and the factors that it reads beside `rate`. x += (y - x) c is a
// moving average. nn/update_rule.hpp has the sources.
//   average           w stays as it is
//   sgd               w -= rate g
//   momentum          v = momentum v - rate g; w += v
//   nesterov          v as before; w += momentum v - rate g
//   adagrad           a += g^2; w -= rate g / sqrt(a + epsilon)
//   adadelta          a += (g^2 - a) one_minus_beta_2; d = g sqrt((b + epsilon) / (a + epsilon));
//                     b += (d^2 - b) one_minus_beta_2; w -= rate d
//   rmsprop           v += (g^2 - v) one_minus_beta_2; w -= rate g / sqrt(v + epsilon)
//   rmsprop_momentum  v; p = momentum p + rate g / sqrt(v + epsilon); w -= p
//   rmsprop_centered  v; a += (g - a) one_minus_beta_2; w -= rate g / sqrt(v - a^2 + epsilon)
//   rmsprop_centered_momentum  v; p; a
//   adam              m += (g - m) one_minus_beta_1; v += (g^2 - v) one_minus_beta_2;
//                     w -= rate m / (sqrt(v) + epsilon)
//   amsgrad           m; v; u = max(u, v); w -= rate m / (sqrt(u) + epsilon)
//   adamax            m; u = max(u - u one_minus_beta_2, |g|); w -= rate m / (u + epsilon)
//   nadam             m; v; w -= (rate m + gradient_rate g) / (sqrt(v) + epsilon)
//   lion              w -= rate sign(m + (g - m) one_minus_beta_1);
//                     m += (g - m) one_minus_beta_2
//   muon              m = momentum m + g; w = m
//   muon_nesterov     m as before; w = momentum m + g
//   lamb              m; v; w = rate m / (sqrt(v) + epsilon)
//   ftrl              n += g^2; z += g + 2 shrinkage w - (change of n^power) / rate w;
//                     w = (z into [-l1, l1] - z) / ((n^power + beta) / rate + 2 l2)
//   gradient          w = g
//   adafactor         v += (g^2 + epsilon - v) one_minus_beta_2; w = g / sqrt(v), v kept elsewhere
#define UNITGAIN_UPDATES(ROW)                                                             \
  ROW(average, of_elements)                                                               \
  ROW(sgd, of_elements)                                                                   \
  ROW(momentum, of_elements, "momentum")                                                  \
  ROW(nesterov, of_elements, "momentum")                                                  \
  ROW(adagrad, of_elements, "accumulator")                                                \
  ROW(adadelta, of_elements, "accumulated_grad", "accumulated_delta_var")                 \
  ROW(rmsprop, of_elements, "velocity")                                                   \
  ROW(rmsprop_momentum, of_elements, "velocity", "momentum")                              \
  ROW(rmsprop_centered, of_elements, "velocity", "average_gradient")                      \
  ROW(rmsprop_centered_momentum, of_elements, "velocity", "momentum", "average_gradient") \
  ROW(adam, of_elements, "momentum", "velocity")                                          \
  ROW(amsgrad, of_elements, "momentum", "velocity", "velocity_hat")                       \
  ROW(adamax, of_elements, "momentum", "norm")                                            \
  ROW(nadam, of_elements, "momentum", "velocity")                                         \
  ROW(lion, of_elements, "momentum")                                                      \
  ROW(muon, of_elements, "momentum")                                                      \
  ROW(muon_nesterov, of_elements, "momentum")                                             \
  ROW(lamb, of_arrays, "momentum", "velocity")                                            \
  ROW(ftrl, of_elements, "accumulator", "linear")                                         \
  ROW(gradient, of_arrays)                                                                \
  ROW(adafactor, of_arrays)

#define UNITGAIN_VALUE(kind, ...) kind,
enum class OptimizerKind : int { UNITGAIN_OPTIMIZERS(UNITGAIN_VALUE) };
#undef UNITGAIN_VALUE

}  // namespace unitgain
