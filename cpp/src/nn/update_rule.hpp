// The update rule of an optimizer, and the factors of one step of it.
//
// Sources: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum
// in deep learning", ICML 2013 (momentum, Nesterov). Duchi, Hazan and Singer, "Adaptive subgradient
// methods", JMLR 12, 2011 (Adagrad). Zeiler, "ADADELTA", arXiv:1212.5701. Tieleman and Hinton,
// "Lecture 6.5 - RMSProp", 2012; Graves, "Generating sequences with recurrent neural networks",
// arXiv:1308.0850 (centered). Kingma and Ba, "Adam: a method for stochastic optimization", ICLR
// 2015, section 2 and 7.1 (Adamax). Reddi, Kale and Kumar, "On the convergence of Adam and beyond",
// ICLR 2018 (AMSGrad). Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
// Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675 (Lion). You et
// al., "Large batch optimization for deep learning", ICLR 2020 (Lamb). McMahan et al., "Ad click
// prediction", KDD 2013 (Ftrl). Shazeer and Stern, "Adafactor", ICML 2018.
#pragma once

#include "simd/kernels/optimizer.hpp"
#include "unitgain/optimizer.hpp"

namespace unitgain::nn {

// An update and what it keeps for each weight.
struct UpdateRule {
  simd::Update update;
  int slots;
  const char* names[3];  // Keras's
  // Whether it makes a change, in the slot after its own, which is applied when the norms of the
  // array's weights and changes are known.
  bool by_array = false;
};

// `matrix`: of the arrays that Muon takes. Throws ValueError for settings outside their ranges.
UpdateRule update_rule(const OptimizerSpec& spec, bool matrix);

// The factors of step `step`, from 1, without scale and average.
template <class T>
simd::UpdateFactors<T> update_factors(const OptimizerSpec& spec, double learning_rate,
                                      std::int64_t step, double momentum_product);

// Nadam's mu_t; the momentum product of step t is mu_1 ... mu_t.
double nadam_momentum(const OptimizerSpec& spec, std::int64_t step);

}  // namespace unitgain::nn
