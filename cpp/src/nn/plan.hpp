// What running a network means for one batch size and one mode: a list of steps over one arena. A
// plan is made once and runs without allocating; it is immutable, so that any number of threads may
// run it, each on an arena and a context of its own.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "runtime/parallel.hpp"
#include "unitgain/network.hpp"

namespace unitgain::nn {

enum class Mode {
  infer,     // the output
  forward,   // the output in training mode
  evaluate,  // the output and its loss
  train,     // the output in training mode, its loss, and the gradients
};

// Whether batch norm takes the batch's statistics and dropout drops.
constexpr bool in_training(Mode mode) {
  return mode == Mode::forward || mode == Mode::train;
}

using BufferId = int;
inline constexpr BufferId no_buffer = -1;

// What one run works on.
template <class T>
struct Context {
  std::byte* arena;
  const Index* offsets;  // of each buffer in the arena

  const Samples* samples;
  Index first;             // of the batch, in the samples' order
  std::uint64_t step;      // the training step: the stream of this run's random numbers
  bool update_statistics;  // whether batch norm moves its moving statistics

  // A batch that can be read where it is, and a result that can be written where it goes.
  BufferId input;
  const T* direct_input;
  BufferId output;
  T* direct_output;

  template <class U = T>
  U* at(BufferId buffer) const {
    if (buffer == input && direct_input != nullptr) {
      return reinterpret_cast<U*>(const_cast<T*>(direct_input));
    }
    if (buffer == output && direct_output != nullptr) return reinterpret_cast<U*>(direct_output);
    return reinterpret_cast<U*>(arena + offsets[buffer]);
  }
};

template <class T>
using StepFunction = std::function<void(const runtime::Team&, const Context<T>&)>;

template <class T>
struct Step {
  std::string name;
  StepFunction<T> run;
  bool barrier;  // whether the team meets after it
};

// What comparing the outputs with what they should be leaves, one a row of the output; no_buffer
// where it is not wanted.
struct LossBuffers {
  BufferId row_losses = no_buffer;      // double
  BufferId divisor = no_buffer;         // double, one: see ops::loss_divisor
  BufferId predicted = no_buffer;       // int32: the largest output
  BufferId expected = no_buffer;        // int32: the label, or the largest target
  BufferId matches = no_buffer;         // double: share of outputs on their target's side of 1/2
  BufferId squared_errors = no_buffer;  // double: mean over the row
  BufferId absolute_errors = no_buffer;

  std::array<BufferId, 7> all() const {
    return {row_losses, divisor, predicted, expected, matches, squared_errors, absolute_errors};
  }
};

template <class T>
struct Plan {
  Index batch;
  Mode mode;
  Precision precision;  // of float's products
  double work;          // in nanoseconds on one thread, roughly
  std::vector<Step<T>> steps;
  std::vector<Index> offsets;
  Index arena_bytes;

  BufferId input, output;
  LossBuffers losses;  // of evaluate and train
  Index rows;          // of the output: batch times the sample's rows
};

// Where the gradient of each trainable parameter goes.
template <class T>
struct ParameterGradients {
  std::vector<const Parameter<T>*> parameters;
  std::vector<T*> gradients;
  T* find(const Parameter<T>* parameter) const {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i] == parameter) return gradients[i];
    }
    return nullptr;
  }
};

template <class T>
Plan<T> make_plan(const Graph<T>& graph, NodeId output, Index batch, Mode mode,
                  const LossSpec* loss, const MetricSpec& metrics,
                  const ParameterGradients<T>& gradients, int threads, Precision precision);

// One member's part of a run.
template <class T>
void run_steps(const Plan<T>& plan, const Context<T>& context, const runtime::Team& team) {
  for (const Step<T>& step : plan.steps) {
    step.run(team, context);
    if (step.barrier) team.barrier();
  }
}

}  // namespace unitgain::nn
