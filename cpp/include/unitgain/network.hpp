// Networks: graphs that train and run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "unitgain/communicator.hpp"
#include "unitgain/graph.hpp"
#include "unitgain/loss.hpp"
#include "unitgain/matmul.hpp"
#include "unitgain/metric.hpp"
#include "unitgain/optimizer.hpp"
#include "unitgain/samples.hpp"
#include "unitgain/signals.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

namespace nn {
template <class T>
class Distributed;
template <class T>
class Optimizer;
}  // namespace nn

// A loss that training minimises at one output.
struct OutputLoss {
  std::optional<LossSpec> loss;  // none: the output is not trained
  std::vector<MetricSpec> metrics = {};
  double weight = 1;
  std::shared_ptr<CustomLoss> custom = nullptr;  // of the kinds that have no kernel
};

// Sums over the samples seen; the mean loss is loss / weight. Of a sample of several rows, the loss
// is the mean over them.
struct Totals {
  Index samples = 0;
  double loss = 0;
  double weight = 0;  // the samples that the loss counts: those of ignored labels do not
  Index batches = 0;
  bool diverged = false;  // whether the last batch's loss was not finite, of a pass that asks
  // The penalties of weights and activities, those of a batch once for each sample; what training
  // makes small is loss / weight + penalty / samples.
  double penalty = 0;
  // The sums of each metric, see MetricKind; over rows, not samples. Of a network with one output.
  std::vector<std::vector<double>> metrics = {};
  // Of a network with several outputs, the sums of each; then the loss above is the weighted sum of
  // the outputs' means.
  std::vector<Totals> outputs = {};
};

// Told how far a pass has come, now and then or after every batch; returning false ends the pass
// after the current batch.
struct Progress {
  std::function<bool(const Totals& totals)> tell = {};
  bool every_batch = false;
};

// A pass of training that goes on batch by batch: see Network::training_pass().
struct TrainingPass {
  Index count;
  Index batch_size;
  std::function<void(Index first, Index batch, Totals& totals)> step;
  std::function<double()> work;  // of a step, in nanoseconds on one thread, roughly
  Totals totals;                 // of those before, and as far as the pass has come
};

// Passes of training of one network, one after the other.
struct TrainingRun {
  Index epochs = 1;
  // Makes a pass when the one before has ended, on the thread that goes on with it: all of as many
  // samples and of batches as large.
  std::function<TrainingPass(Index epoch)> begin;
  std::vector<Totals> totals = {};  // of each pass, the last one as far as it has come
};

// Does runs of networks that share no parameters. Several run side by side, each on one thread:
// small networks, which gain nothing from a second thread, use them all. Each pass does what
// Network::train() does, to the bit. `go_on` is called about every tenth of a second on the
// calling thread; false ends all runs after their current batches, and so does what it throws.
void train_together(std::span<TrainingRun* const> runs, const std::function<bool()>& go_on = {});

// A graph that runs. Any number of threads may call any members of one network at once: inference
// runs side by side, a training step alone.
template <class T>
class Network {
 public:
  // The inputs are the graph's input nodes in their order.
  Network(Graph<T> graph, std::vector<NodeId> outputs);
  Network(Graph<T> graph, NodeId output) : Network(std::move(graph), std::vector{output}) {}
  ~Network();

  const Graph<T>& graph() const;
  const std::vector<NodeId>& inputs() const;
  const std::vector<NodeId>& outputs() const;
  SampleShape input_shape(std::size_t input = 0) const;
  SampleShape output_shape(std::size_t output = 0) const;

  // Each y (as many rows as the inputs, times the output's size, contiguous) = an output of the
  // network in inference mode.
  void predict(std::span<const SampleArray> x, std::span<T* const> y, Index batch_size,
               const Progress& progress = {}) const;
  void predict(const SampleArray& x, T* y, Index batch_size, const Progress& progress = {}) const {
    predict({&x, 1}, {&y, 1}, batch_size, progress);
  }
  // The same for one batch of a network with one input and one output, or false and nothing done
  // unless it takes a few microseconds at most, waits for nobody and calls no custom operation.
  bool predict_at_once(const SampleArray& x, T* y) const;

  // The same for one batch in training mode: batch norm takes the batch's statistics and moves its
  // moving ones, and dropout drops, differently at each call.
  void forward(std::span<const SampleArray> x, std::span<T* const> y);
  void forward(const SampleArray& x, T* y) { forward({&x, 1}, {&y, 1}); }

  // The gradient at each input of the outputs' values, each times its `upstream` (laid out as
  // predict()'s y; null: 0), in inference mode: as many rows as x, times the input's size. Of
  // samples by themselves, unless a node computes with a batch's statistics. Throws ValueError for
  // a frozen network, and where an output depends on an embedding, whose numbers have none.
  void input_gradients(std::span<const SampleArray> x, std::span<const T* const> upstream,
                       std::span<T* const> gradients, Index batch_size) const;
  // The same for each value of one output by itself: for each input rows, the output's size, the
  // input's size.
  void jacobian(std::span<const SampleArray> x, std::size_t output, std::span<T* const> jacobians,
                Index batch_size) const;

  // Mean and standard deviation of each output over `passes` with dropout and noise, differently
  // in each; batch norm keeps to its moving statistics.
  void spread(std::span<const SampleArray> x, Index passes, Index batch_size,
              std::span<T* const> mean, std::span<T* const> deviation);

  // Sets each output's loss and metrics, and resets the optimizer. `options` has an entry for
  // each of trainable(), or none. Throws ValueError for a loss or a metric that does not fit.
  void compile(const OptimizerSpec& optimizer, const std::vector<OutputLoss>& losses,
               const std::vector<UpdateOptions>& options = {});
  void compile(const OptimizerSpec& optimizer, const LossSpec& loss,
               const std::vector<MetricSpec>& metrics = {},
               const std::vector<UpdateOptions>& options = {}) {
    compile(optimizer, std::vector<OutputLoss>{{loss, metrics}}, options);
  }
  // Other options for a compiled network, whose optimizer stays as it is.
  void set_options(const std::vector<UpdateOptions>& options);
  void set_learning_rate(double learning_rate);
  double learning_rate() const;
  // The runs in training mode so far: the stream of the next one's random numbers.
  std::uint64_t step() const;
  void set_step(std::uint64_t step);
  // Training steps done since compile(), those that accumulated gradients counted.
  std::int64_t iterations() const;
  // Null before compile().
  std::shared_ptr<nn::Optimizer<T>> optimizer() const;
  // In place of compile(): takes the optimizer, losses and random numbers' stream of a network with
  // the same trainable parameters, of which this one is a part. ValueError if they differ.
  void continue_training(const Network& whole);
  // Puts the weights' averages in their place, if the optimizer keeps them.
  void finalize();

  // One pass of training over the samples, whose last batch may be smaller; its sums are added to
  // those of passes `before`.
  Totals train(const Samples& samples, Index batch_size, const Progress& progress = {},
               Totals before = {});
  // The same pass, for a TrainingRun. Network and samples must outlive it.
  TrainingPass training_pass(const Samples& samples, Index batch_size, Totals before = {});
  Totals evaluate(const Samples& samples, Index batch_size, const Progress& progress = {},
                  Totals before = {}) const;
  // From now on, train() and evaluate() are called by several processes at once, with the same
  // samples: each does its blocks' part, and all come to the same result. Batch norm's statistics
  // are of blocks. Without a communicator there is one process, which cuts batches into the same
  // blocks; nullopt ends it. ValueError if there are fewer blocks than processes.
  void distribute(std::optional<Distribution> distribution);

  // The loss of one batch in training mode and its gradient, penalties included, in the order of
  // trainable(); nothing of the network changes.
  Totals gradients(const Samples& samples, const std::vector<T*>& gradients);
  const std::vector<ParameterPtr<T>>& trainable() const;

  // Measures the values and the loss's gradients (penalties left out) of one batch at each
  // node, in training mode, and the gradient in the order of trainable(); nothing changes. Nodes
  // that the loss does without, as cross-entropy does without the softmax, are not among them.
  Signals signals(const Samples& samples, const std::vector<T*>& gradients);
  // Lets train() tell the signals of every so many steps, from batches before their steps, without
  // histograms and gradients that training does not need. What is thrown ends the pass.
  void monitor(SignalMonitor monitor);
  SignalMonitor signal_monitor() const;

  // The parameters in the nodes' order; a packed kernel as the products use it.
  std::vector<ParameterPtr<T>> parameters() const;

  // Bytes of the buffers that a batch of that many samples needs, its input and output not
  // counted; with `training`, those of a training step, with the gradients and what the optimizer
  // keeps.
  Index memory(Index batch, bool training) const;

  // A network of Graph::frozen().
  std::unique_ptr<Network> frozen(std::optional<Precision> precision = {},
                                  DenseWeights weights = DenseWeights::floating) const;

  // Runs `change` while nothing else reads or writes the parameters.
  void exclusively(const std::function<void()>& change);

 private:
  friend class nn::Distributed<T>;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unitgain
