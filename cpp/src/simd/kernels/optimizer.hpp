// The optimizers' rules.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// The optimizers' updates of weights w from gradients g, with what each keeps in its slots between
// steps (from the first on) and the factors that it reads beside `rate`. x += (y - x) c is a moving
// average. nn/update_rule.hpp has the sources.
enum class Update : int {
  average,           // w stays as it is
  sgd,               // w -= rate g
  momentum,          // v = momentum v - rate g; w += v
  nesterov,          // v as before; w += momentum v - rate g
  adagrad,           // a += g^2; w -= rate g / sqrt(a + epsilon)
  adadelta,          // a += (g^2 - a) one_minus_beta_2; d = g sqrt((b + epsilon) / (a + epsilon));
                     // b += (d^2 - b) one_minus_beta_2; w -= rate d
  rmsprop,           // v += (g^2 - v) one_minus_beta_2; w -= rate g / sqrt(v + epsilon)
  rmsprop_momentum,  // v; p = momentum p + rate g / sqrt(v + epsilon); w -= p
  rmsprop_centered,  // v; a += (g - a) one_minus_beta_2; w -= rate g / sqrt(v - a^2 + epsilon)
  rmsprop_centered_momentum,  // v; p; a
  adam,  // m += (g - m) one_minus_beta_1; v += (g^2 - v) one_minus_beta_2; w -= rate m / (sqrt(v) +
         // epsilon)
  amsgrad,        // m; v; u = max(u, v); w -= rate m / (sqrt(u) + epsilon)
  adamax,         // m; u = max(u - u one_minus_beta_2, |g|); w -= rate m / (u + epsilon)
  nadam,          // m; v; w -= (rate m + gradient_rate g) / (sqrt(v) + epsilon)
  lion,           // w -= rate sign(m + (g - m) one_minus_beta_1); m += (g - m) one_minus_beta_2
  muon,           // m = momentum m + g; w = m
  muon_nesterov,  // m as before; w = momentum m + g
  lamb,           // m; v; w = rate m / (sqrt(v) + epsilon)
  ftrl,           // n += g^2; z += g + 2 shrinkage w - (change of n^power) / rate w;
                  // w = (z into [-l1, l1] - z) / ((n^power + beta) / rate + 2 l2)
  gradient,       // w = g
  adafactor,      // v += (g^2 + epsilon - v) one_minus_beta_2; w = g / sqrt(v)
};
inline constexpr int update_count = 21;

template <class T>
struct UpdateArrays {
  T* w;
  const T* g;  // of `average` alone it may be null
  T* slots[3];
  T* average;  // of the weights; null: not kept
};

template <class T>
struct UpdateFactors {
  T rate;
  T gradient_rate;
  T momentum;
  T one_minus_beta_1;  // 1 - beta_1
  T one_minus_beta_2;  // 1 - beta_2, 1 - rho
  T epsilon;
  // What precedes the rule: g = g * scale[0] * scale[1], then into [-clip, clip] (0: as it is);
  // w -= w * decay.
  T scale[2];
  T clip;
  T decay;
  // What follows it: average += (w - average) * average_rest; w = average if `overwrite`.
  T average_rest;
  bool overwrite;
  // Of ftrl.
  T power;
  T beta;
  T l1;
  T l2;
  T shrinkage;
};

template <class T>
struct OptimizerKernels {
  struct Row {
    void (*plain)(const UpdateArrays<T>& arrays, Index n, const UpdateFactors<T>& factors);
    // With what precedes and follows the rule, all in one pass over memory.
    void (*full)(const UpdateArrays<T>& arrays, Index n, const UpdateFactors<T>& factors);
  };
  Row row[update_count];  // by Update
  // sum_i (scale x_i)^2, added up in double precision.
  double (*sum_of_squares)(const T* x, Index n, double scale);
};

}  // namespace unitgain::simd
