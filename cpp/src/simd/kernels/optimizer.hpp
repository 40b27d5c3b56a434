// The optimizers' rules.
#pragma once

#include "unitgain/rows/optimizer.hpp"
#include "unitgain/types.hpp"

namespace unitgain::simd {

#define UNITGAIN_VALUE(kind, ...) kind,
#define UNITGAIN_ONE(...) +1
enum class Update : int { UNITGAIN_UPDATES(UNITGAIN_VALUE) };
inline constexpr int update_count = UNITGAIN_UPDATES(UNITGAIN_ONE);
#undef UNITGAIN_VALUE
#undef UNITGAIN_ONE

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
  // Before the rule: g = g * scale[0] * scale[1], then into [-clip, clip] (0: as it is);
  // w -= w * decay.
  T scale[2];
  T clip;
  T decay;
  // After the rule: average += (w - average) * average_rest; w = average if `overwrite`.
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
};

}  // namespace unitgain::simd
