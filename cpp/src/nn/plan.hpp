// The plan of a network for one batch size and one mode: a list of steps over one arena. A
// plan is made once and runs without allocating; it is immutable, so that any number of threads may
// run it, each on an arena and a context of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "nn/arena.hpp"
#include "nn/mode.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/network.hpp"

namespace unitgain::nn {

using BufferId = int;
inline constexpr BufferId no_buffer = -1;

// The exception of a custom operation, and the step that it was. The first thread alone throws and
// looks at the exception; the others know the step.
struct Failure {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::exception_ptr error;
  std::atomic<std::size_t> step{none};
};

// The data of one run.
template <class T>
struct Context {
  std::byte* const* buffers;  // where each lies

  const Samples* samples;
  Index first;                // of the batch, in the samples' order
  const bool* read_in_place;  // of each input: whether its buffer is the user's array
  std::uint64_t step;         // the training step: the stream of this run's random numbers
  bool update_statistics;     // whether batch norm moves its moving statistics
  // Of a plan that runs on a block of a batch: the rows of all of it, and the divisor of each
  // output's losses over all of it; null: over the plan's rows.
  Index whole;
  const double* divisors;
  // Of a plan with meetings: the block's number and how many there are, and for each meeting the
  // values of all blocks, one behind the other.
  Index block, blocks;
  double* const* joint;
  Failure* failure;

  template <class U = T>
  U* at(BufferId buffer) const {
    return reinterpret_cast<U*>(buffers[buffer]);
  }
};

// A matrix within a buffer, in elements.
struct View {
  BufferId buffer = no_buffer;
  Index offset = 0, rows = 0, cols = 0, row_stride = 0;
  bool contiguous() const { return row_stride == cols; }
};

template <class T>
MatrixView<T> at(const Context<T>& context, const View& view) {
  return {context.at(view.buffer) + view.offset, view.rows, view.cols, view.row_stride, 1};
}
template <class T>
MatrixView<const T> read_at(const Context<T>& context, const View& view) {
  return {context.at(view.buffer) + view.offset, view.rows, view.cols, view.row_stride, 1};
}

template <class T>
using StepFunction = std::function<void(const runtime::Team&, const Context<T>&)>;

template <class T>
struct Step {
  std::string name;
  StepFunction<T> run;
  bool barrier;  // whether the team meets after it
};

// Results of comparing an output with its targets, one a row of the output; no_buffer
// where it is not wanted.
struct LossBuffers {
  BufferId row_losses = no_buffer;  // double
  BufferId divisor = no_buffer;     // double, one: see ops::loss_divisor
  BufferId weights = no_buffer;     // double; written where the samples have weights
  BufferId predicted = no_buffer;   // int32: the largest output
  BufferId expected = no_buffer;    // int32: the label, or the largest target
  BufferId outputs = no_buffer;     // what metrics are of, and the logits that it is the softmax of
  BufferId logits = no_buffer;
  BufferId targets = no_buffer;
  std::vector<BufferId> values;  // of each metric that has row values; double

  bool has_labels = false;
  Index rows = 0;  // of the output: batch times the sample's rows; 0: it has no loss
  Index cols = 0, target_cols = 0;
};

// Results of a penalty of activities: for each block of the values the sums of their magnitudes
// and squares.
struct ActivityBuffer {
  BufferId sums;  // double
  Index blocks;
  double l1, l2;
};

// Where the blocks of a batch wait for each other: after so many steps, when each has written so
// many values.
struct Meeting {
  std::size_t step;
  Index values;
};

// The number of steps after which the gradient of a parameter is whole, by its number.
struct ReadyGradient {
  std::size_t step;
  std::size_t parameter;
};

// Where a plan leaves what it measures at a node, see NodeSignal.
struct Probe {
  NodeId node;
  Index rows, cols;
  BufferId values = no_buffer, gradients = no_buffer, histogram = no_buffer;  // double
  bool has_slope = false;
};

template <class T>
struct Plan {
  Index batch;
  Mode mode;
  Precision precision;  // of float's products
  double work;          // in nanoseconds on one thread, roughly
  std::vector<Step<T>> steps;
  bool may_fail;                    // whether a step calls what may throw
  bool draws;                       // whether it takes random numbers
  std::vector<Lifetime> lifetimes;  // of the buffers
  std::vector<Index> offsets;
  Index arena_bytes;

  std::vector<BufferId> inputs;   // that can be read where they are; no_buffer: not so
  std::vector<BufferId> outputs;  // of infer and forward
  // Of explain: the gradients at the outputs, which the caller has, and at the inputs.
  std::vector<BufferId> upstreams, input_gradients;
  std::vector<LossBuffers> losses;  // of evaluate and train, one an output
  std::vector<ActivityBuffer> activities;
  std::vector<Probe> probes;  // of monitor and probe

  std::vector<Meeting> meetings;     // of a plan for a block
  std::vector<ReadyGradient> ready;  // of those that are written, as they become so
};

// The arguments of a loss or metric of the embedding program's for a batch, without weights.
template <class T, class Rows>
OutputBatch output_batch(const Rows& rows, const LossBuffers& buffers) {
  OutputBatch batch{};
  batch.outputs = rows.outputs;
  batch.targets = rows.targets;
  batch.labels = rows.labels;
  batch.rows = rows.rows;
  batch.cols = rows.cols;
  batch.target_cols = buffers.target_cols;
  batch.is_double = sizeof(T) == sizeof(double);
  return batch;
}

// The weights of a batch's rows at an output, after its loss; null: all 1.
template <class T>
const double* row_weights(const Context<T>& context, const LossBuffers& buffers,
                          std::size_t output) {
  if (context.samples->y[output].weights == nullptr) return nullptr;
  return context.template at<double>(buffers.weights);
}

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
class PlanBuilder;
// Makes the steps that compare an output with what it should be: compute_loss() of
// plan_builder.hpp.
template <class T>
using LossPlanner = LossBuffers (*)(PlanBuilder<T>& builder, std::size_t which, NodeId output,
                                    SampleShape shape, const LossSpec& loss,
                                    const OutputLoss& wanted, bool softmax);

// The inputs of a plan; `losses`, `plan_loss` and `gradients` matter to the modes that use them.
template <class T>
struct PlanRequest {
  const Graph<T>& graph;
  const std::vector<NodeId>& outputs;
  Index batch;
  Mode mode;
  const std::vector<OutputLoss>& losses;
  const ParameterGradients<T>& gradients;
  int threads;
  Precision precision;
  LossPlanner<T> plan_loss;
  bool is_block = false;  // whether the batch is a block of one, and may meet the others
};

template <class T>
Plan<T> make_plan(const PlanRequest<T>& request);

// One thread's part of a run of steps. Returns whether it has come to the end: the same for all
// threads, which meet after each step that may fail. All threads call after_step(n) when the first
// n steps are done.
template <class T, class AfterStep>
bool run_steps(const Plan<T>& plan, const Context<T>& context, const runtime::Team& team,
               std::size_t begin, std::size_t end, AfterStep&& after_step) {
  Failure& failure = *context.failure;
  for (std::size_t i = begin; i < end; ++i) {
    const Step<T>& step = plan.steps[i];
    step.run(team, context);
    if (plan.may_fail && team.rank() == 0 && failure.error) failure.step = i;
    if (!step.barrier) continue;
    team.barrier();
    // A thread that comes late from this barrier may find that a later step has failed by now: it
    // has to go there too.
    if (plan.may_fail && failure.step <= i) return false;
    after_step(i + 1);
  }
  return true;
}

}  // namespace unitgain::nn
