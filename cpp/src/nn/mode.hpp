// The purpose of a plan, and what nodes do for it.
#pragma once

#include "unitgain/graph.hpp"

namespace unitgain::nn {

enum class Mode {
  infer,     // the output
  forward,   // the output in training mode
  sample,    // the output with dropout and noise alone as in training
  evaluate,  // the output and its loss
  train,     // the output in training mode, its loss, and the gradients
  monitor,   // the same node by node, with measures of the values and gradients at each
  probe,     // the same with histograms, and the gradients at frozen nodes and inputs, too
  explain,   // the output's gradient at the inputs, and at nothing else, as in infer
};

// Whether values and gradients are measured, whether weights have gradients, and whether anything
// has.
constexpr bool measures(Mode mode) {
  return mode == Mode::monitor || mode == Mode::probe;
}
constexpr bool trains(Mode mode) {
  return mode == Mode::train || measures(mode);
}
constexpr bool differentiates(Mode mode) {
  return trains(mode) || mode == Mode::explain;
}

// Whether batch norm takes the batch's statistics, and whether dropout drops.
constexpr bool in_training(Mode mode) {
  return mode == Mode::forward || trains(mode);
}
constexpr bool draws(Mode mode) {
  return in_training(mode) || mode == Mode::sample;
}
// The same for one node, which may always or never do so.
constexpr bool in_training(Mode mode, Training training) {
  return training == Training::as_run ? in_training(mode) : training == Training::always;
}
constexpr bool draws(Mode mode, Training training) {
  return training == Training::as_run ? draws(mode) : training == Training::always;
}

// Whether outputs are compared with what they should be.
constexpr bool compares(Mode mode) {
  return mode == Mode::evaluate || trains(mode);
}

}  // namespace unitgain::nn
