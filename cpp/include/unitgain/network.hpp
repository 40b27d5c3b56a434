// Dense networks: a graph of nodes with parameters, and the network that trains and runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "unitgain/activation.hpp"
#include "unitgain/loss.hpp"
#include "unitgain/matmul.hpp"
#include "unitgain/metric.hpp"
#include "unitgain/optimizer.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

namespace nn {
template <class T>
class Optimizer;
}

// An array of weights that layers own and networks use. Its memory never moves.
template <class T>
class Parameter {
 public:
  // Zero-filled.
  Parameter(std::string name, std::vector<Index> shape);
  ~Parameter();
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  const std::string& name() const { return name_; }
  const std::vector<Index>& shape() const { return shape_; }
  Index size() const { return size_; }
  T* data() const { return data_; }

 private:
  std::string name_;
  std::vector<Index> shape_;
  Index size_;
  T* data_;
};

template <class T>
using ParameterPtr = std::shared_ptr<Parameter<T>>;

// One sample of a node's output, as a matrix: layers act along the columns.
struct SampleShape {
  Index rows;
  Index cols;
  Index size() const { return rows * cols; }
};

using NodeId = int;

struct InputNode {};
template <class T>
struct DenseNode {
  ParameterPtr<T> kernel;                                   // (inputs, units); null if packed
  ParameterPtr<T> bias;                                     // (units), or null
  std::shared_ptr<const PackedMatrix<T>> packed = nullptr;  // of a frozen graph

  Index inputs() const { return packed ? packed->rows() : kernel->shape()[0]; }
  Index units() const { return packed ? packed->cols() : kernel->shape()[1]; }
};
template <class T>
struct BatchNormNode {
  ParameterPtr<T> gamma, beta;  // (features), either may be null
  ParameterPtr<T> moving_mean, moving_variance;
  double momentum;
  double epsilon;
};
template <class T>
struct LayerNormNode {
  ParameterPtr<T> gamma, beta;  // (features), either may be null
  double epsilon;
};
struct ActivationNode {
  ActivationSpec activation;
};
template <class T>
struct PReluNode {
  ParameterPtr<T> alpha;    // the slopes below 0
  SampleShape alpha_shape;  // each size the sample's or 1, along which they are shared
};
struct SoftmaxNode {};
struct LogSoftmaxNode {};
struct NoiseNode {
  NoiseSpec noise;
  std::uint64_t key;  // of the random numbers; their stream is the training step
};
// Hands its input on. Training and evaluation add l1 times the sum of |x| and l2 times that of x^2,
// divided by the batch's size, to the loss.
struct ActivityNode {
  double l1, l2;
};
struct ReshapeNode {};
// A sample is a stack of rows x cols matrices, each of which is transposed.
struct TransposeNode {
  Index rows, cols;
};
// The sum of its inputs, and their columns side by side.
struct AddNode {};
struct ConcatenateNode {};

// What an embedding program, or Python, computes itself, for a batch of samples, one a row. One
// thread calls it, and what it throws ends the run.
template <class T>
class CustomOperation {
 public:
  virtual ~CustomOperation() = default;
  virtual void forward(std::span<const MatrixView<const T>> inputs, MatrixView<T> output,
                       bool training) = 0;
  // Writes the gradients at the inputs and at the node's parameters; null: not wanted.
  virtual void backward(std::span<const MatrixView<const T>> inputs, MatrixView<const T> output,
                        MatrixView<const T> upstream, std::span<const MatrixView<T>> gradients,
                        std::span<T* const> parameter_gradients) = 0;
};
template <class T>
struct CustomNode {
  std::shared_ptr<CustomOperation<T>> operation;
  std::vector<ParameterPtr<T>> parameters;  // that training changes
};

// Whether a node does what training does: dropout and noise, a batch's own statistics.
enum class Training { as_run, always, never };

template <class T>
struct Node {
  std::variant<InputNode, DenseNode<T>, BatchNormNode<T>, LayerNormNode<T>, ActivationNode,
               PReluNode<T>, SoftmaxNode, LogSoftmaxNode, NoiseNode, ActivityNode, ReshapeNode,
               TransposeNode, AddNode, ConcatenateNode, CustomNode<T>>
      operation;
  std::vector<NodeId> inputs;
  SampleShape shape;
  bool trainable;
  Training training = Training::as_run;
};

// What a network is: a directed acyclic graph, in an order in which every node follows its inputs.
// Each member adds a node and returns its number; ValueError where shapes do not fit.
template <class T>
class Graph {
 public:
  NodeId input(SampleShape shape);
  NodeId dense(NodeId x, ParameterPtr<T> kernel, ParameterPtr<T> bias, bool trainable = true);
  NodeId batch_norm(NodeId x, const BatchNormNode<T>& parameters, bool trainable = true);
  NodeId layer_norm(NodeId x, const LayerNormNode<T>& parameters, bool trainable = true);
  NodeId activation(NodeId x, const ActivationSpec& activation);
  NodeId prelu(NodeId x, const PReluNode<T>& parameters, bool trainable = true);
  NodeId softmax(NodeId x);
  NodeId log_softmax(NodeId x);
  NodeId noise(NodeId x, const NoiseSpec& noise, std::uint64_t key);
  NodeId activity(NodeId x, double l1, double l2);
  NodeId reshape(NodeId x, SampleShape shape);
  // Each sample as a stack of matrices of `rows` rows of its cols values, each transposed.
  NodeId transpose(NodeId x, Index rows);
  NodeId add(const std::vector<NodeId>& inputs);
  NodeId concatenate(const std::vector<NodeId>& inputs);
  NodeId custom(const std::vector<NodeId>& inputs, SampleShape shape, CustomNode<T> node,
                bool trainable = true);

  // Of the nodes that are added from now on.
  void set_training(Training training) { training_ = training; }
  Training training() const { return training_; }

  // The graph with copies of all parameters, as they are now, and dense kernels packed: for
  // inference alone, and faster. Precision as for PackedMatrix.
  Graph frozen(std::optional<Precision> precision = {}) const;
  bool is_frozen() const;
  // In the nodes' order; a packed kernel as the products use it.
  std::vector<ParameterPtr<T>> parameters() const;

  const std::vector<Node<T>>& nodes() const { return nodes_; }
  const Node<T>& node(NodeId id) const;

 private:
  NodeId append(Node<T> node);
  std::vector<Node<T>> nodes_;
  Training training_ = Training::as_run;
};

enum class ElementType { float32, float64, int32, int64, uint8 };

// Samples in memory, one a row, in any of the element types and with any strides, in bytes.
struct SampleArray {
  const void* data;
  ElementType type;
  Index rows;
  Index cols;
  Index row_stride;
  Index col_stride;
};

// How a training pass makes new samples: of each and another, drawn evenly from all of the pass,
// inputs and targets alike. What is drawn depends on key, training step and place in the batch.
enum class Mixing {
  none,
  blend,     // share * sample + (1 - share) * other
  features,  // each value is the other's with probability 1 - share
  box,       // the other's within a box of (1 - share) of an image's area
};
struct MixSpec {
  Mixing kind = Mixing::none;
  double alpha = 1;             // shares are drawn from Beta(alpha, alpha)
  std::uint64_t key = 0;        // of the random numbers; their stream is the training step
  Index height = 0, width = 0;  // of an image; a row holds them with the channels last
};

// What an output should be: class labels or target values, whichever loss_info says.
struct Target {
  const std::int32_t* labels = nullptr;  // one a row of the output
  SampleArray values = {};
  const double* weights = nullptr;  // of the loss of each row of the output; null: 1
};

// Inputs and what the network should make of them.
struct Samples {
  std::span<const SampleArray> x;  // of each input, all of as many rows
  std::span<const Target> y = {};  // of each output
  const Index* order = nullptr;    // the rows in the order of use; null: as they come
  Index count = 0;                 // how many rows are used: all of x, or all of `order`
  MixSpec mix = {};                // of a training pass with target values
  bool stops_at_nan = false;       // whether a training pass ends when its loss is not finite
};

// What training makes small at one output.
struct OutputLoss {
  std::optional<LossSpec> loss;  // none: the output is not trained
  std::vector<MetricSpec> metrics = {};
  double weight = 1;
  std::shared_ptr<CustomLoss> custom = nullptr;  // of the kinds that have no kernel
};

// Throws ValueError for an alpha that is not above 0, images that do not make the rows of x, or
// cuts from several inputs.
void check_mix(const Samples& samples);

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

  // Mean and standard deviation of each output over `passes` with dropout and noise, differently
  // in each; batch norm keeps to its moving statistics.
  void spread(std::span<const SampleArray> x, Index passes, Index batch_size,
              std::span<T* const> mean, std::span<T* const> deviation);

  // What training needs, of each output; resets the optimizer's state. `options` has an entry for
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
  Totals evaluate(const Samples& samples, Index batch_size, const Progress& progress = {},
                  Totals before = {}) const;
  // The loss of one batch in training mode and its gradient, penalties included, in the order of
  // trainable(); nothing of the network changes.
  Totals gradients(const Samples& samples, const std::vector<T*>& gradients);
  const std::vector<ParameterPtr<T>>& trainable() const;

  // The parameters in the nodes' order; a packed kernel as the products use it.
  std::vector<ParameterPtr<T>> parameters() const;

  // Bytes of the buffers that a batch of that many samples needs, its input and output not
  // counted; with `training`, those of a training step, with the gradients and what the optimizer
  // keeps.
  Index memory(Index batch, bool training) const;

  // A network of Graph::frozen().
  std::unique_ptr<Network> frozen(std::optional<Precision> precision = {}) const;

  // Runs `change` while nothing else reads or writes the parameters.
  void exclusively(const std::function<void()>& change);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unitgain
