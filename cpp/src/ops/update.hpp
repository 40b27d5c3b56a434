// The optimizers' updates of a contiguous parameter from its gradient.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// w -= rate g.
template <class T>
void sgd(const runtime::Team& team, T* w, const T* g, Index n, T rate);

// v = momentum v - rate g; then w += v, or with Nesterov's look-ahead w += momentum v - rate g.
// Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in
// deep learning", ICML 2013.
template <class T>
void sgd_momentum(const runtime::Team& team, T* w, const T* g, T* v, Index n, T rate, T momentum,
                  bool nesterov);

// m += (g - m)(1 - beta_1); v += (g^2 - v)(1 - beta_2); w -= rate m / (sqrt(v) + epsilon), where
// rate already holds the bias corrections: learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) at
// step t. The betas are doubles so that 1 - beta is not rounded twice. Source: Kingma and Ba,
// "Adam: a method for stochastic optimization", ICLR 2015, section 2.
template <class T>
void adam(const runtime::Team& team, T* w, const T* g, T* m, T* v, Index n, T rate, double beta_1,
          double beta_2, T epsilon);

}  // namespace unitgain::ops
