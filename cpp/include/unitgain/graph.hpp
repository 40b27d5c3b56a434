// Graphs: what networks are, as nodes with parameters.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "unitgain/activation.hpp"
#include "unitgain/matmul.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

namespace nn {
template <class T>
class Operation;
}
namespace ops {
struct ExpressionProgram;
}

// What the dense layers of a frozen graph multiply by: weights of its dtype; or weights of 8 bits
// with a scale for each unit, and inputs that are quantized to 8 bits row by row as they come
// (float32 only; a layer of more than 65,793 inputs keeps its dtype).
enum class DenseWeights { floating, int8 };

// Weights of 8 bits, row by row, that stand for values times the scale of their column.
struct Int8Values {
  const std::int8_t* values;
  const float* scales;
  std::shared_ptr<const void> owner;
};

// An array of weights that layers own and networks use. Its memory never moves.
template <class T>
class Parameter {
 public:
  // Zero-filled.
  Parameter(std::string name, std::vector<Index> shape);
  // In the memory of an owner, which is kept as long.
  Parameter(std::string name, std::vector<Index> shape, T* data, std::shared_ptr<const void> owner);
  // A matrix of 8 bits that is nowhere else: the kernel of a dense node of a graph that is only to
  // be frozen.
  Parameter(std::string name, std::vector<Index> shape, Int8Values values);
  ~Parameter();
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  const std::string& name() const { return name_; }
  const std::vector<Index>& shape() const { return shape_; }
  Index size() const { return size_; }
  T* data() const { return data_; }
  // Null but for a matrix of 8 bits, whose data is null.
  const Int8Values* int8_values() const { return int8_ ? &*int8_ : nullptr; }

 private:
  std::string name_;
  std::vector<Index> shape_;
  Index size_;
  T* data_;
  std::shared_ptr<const void> owner_;  // null: the memory is the parameter's own
  std::optional<Int8Values> int8_;
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

// Arguments of some nodes.
template <class T>
struct BatchNormNode {
  ParameterPtr<T> gamma, beta;  // (features), either may be null
  ParameterPtr<T> moving_mean, moving_variance;
  double momentum;
  double epsilon;
  // Of training that is distributed: 1, if the statistics are those of the whole batch, and not of
  // each block.
  Index synchronized = 0;
  // Batch renormalisation: all three, or none; and its momentum, the least and the most that the
  // correction r may be, and the most of d.
  ParameterPtr<T> moving_deviation = {}, renorm_mean = {}, renorm_deviation = {};
  std::vector<double> renorm = {};
};
// Noise that values share: the sizes of an array of samples but for the batch, and the axes, the
// batch's first, along which all get the same.
struct SharedNoise {
  std::vector<double> sizes = {}, axes = {};
};
template <class T>
struct LayerNormNode {
  ParameterPtr<T> gamma, beta;  // (features), either may be null
  double epsilon;
};
template <class T>
struct RmsNormNode {
  ParameterPtr<T> scale;  // (features), may be null
  double epsilon;
};
template <class T>
struct PReluNode {
  ParameterPtr<T> alpha;    // the slopes below 0
  SampleShape alpha_shape;  // each size the sample's or 1, along which they are shared
};

// An operation that an embedding program, or Python, computes for a batch, one sample a row. One
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

// Programs of a function of samples: its output; the same and what the backward pass takes of it;
// and the gradients at the inputs and the parameters, of these, of the gradient at the output, of
// the output if it is read, and of what was saved. Without a derivative the last two are null.
struct ExpressionPasses {
  std::shared_ptr<const ops::ExpressionProgram> forward, saving, backward;
  bool reads_output = false;
};
template <class T>
struct ExpressionNode {
  ExpressionPasses infer, train;
  std::vector<ParameterPtr<T>> parameters;  // that training changes
};

// Whether a node does what training does: dropout and noise, a batch's own statistics.
enum class Training { as_run, always, never };

template <class T>
struct Node {
  std::shared_ptr<const nn::Operation<T>> operation;
  std::vector<NodeId> inputs;
  SampleShape shape;
  bool trainable;
  Training training;
};

// A node as a file holds it. The names of its attributes and parameters are those of its kind, a
// file in src/nn/nodes/.
using Attribute = std::variant<Index, std::uint64_t, double, std::string, std::vector<double>>;
struct NodeDescription {
  std::string kind;
  std::vector<NodeId> inputs = {};
  std::map<std::string, Attribute> attributes = {};
  std::map<std::string, std::string> parameters = {};  // the node's name for each: the graph's
  bool trainable = false;
  Training training = Training::as_run;
};
struct GraphDescription {
  std::vector<NodeDescription> nodes;
  std::vector<NodeId> outputs = {};
};
// As JSON: {"nodes": [{"kind", "inputs", "attributes", "parameters", "trainable"}], "outputs"},
// with "training" of the nodes that always or never do what training does. Numbers have all their
// digits; those that are not finite are "inf", "-inf" and "nan".
std::string to_json(const GraphDescription& graph);

// Parameters by the names that descriptions have for them. A name without one is taken, no more.
template <class T>
using NamedParameters = std::map<std::string, ParameterPtr<T>>;
template <class T>
struct DescribedGraph {
  GraphDescription description;
  NamedParameters<T> parameters;  // those that the nodes have
};

// A network as a directed acyclic graph, in an order in which every node follows its inputs.
// Each member adds a node and returns its number; ValueError where shapes do not fit.
template <class T>
class Graph {
 public:
  NodeId input(SampleShape shape);
  NodeId dense(NodeId x, ParameterPtr<T> kernel, ParameterPtr<T> bias, bool trainable = true);
  // `mask`: a node of one column, above 1/2 in the rows that a batch's statistics are of.
  NodeId batch_norm(NodeId x, const BatchNormNode<T>& parameters, bool trainable = true,
                    std::optional<NodeId> mask = {});
  NodeId layer_norm(NodeId x, const LayerNormNode<T>& parameters, bool trainable = true);
  // Each row over its root mean square, times the scale.
  NodeId rms_norm(NodeId x, const RmsNormNode<T>& parameters, bool trainable = true);
  // Each row over its Euclidean norm, or over epsilon where that is more.
  NodeId unit_norm(NodeId x, double epsilon);
  NodeId activation(NodeId x, const ActivationSpec& activation);
  // Each row's first half, times the sigmoid of its second.
  NodeId glu(NodeId x);
  NodeId prelu(NodeId x, const PReluNode<T>& parameters, bool trainable = true);
  // Each sample's distances d from centres (clusters, features). form: "distance"; "exponent",
  // -d^2 / (2 h^2) of the bandwidth h, one value; or "one_hot", 1 for the nearest and else 0.
  NodeId cluster_distance(NodeId x, ParameterPtr<T> centers, ParameterPtr<T> bandwidth,
                          const std::string& form, bool trainable = true);
  NodeId softmax(NodeId x);
  NodeId log_softmax(NodeId x);
  NodeId noise(NodeId x, const NoiseSpec& noise, std::uint64_t key, const SharedNoise& shared = {});
  // Of each row 1 where a value is not `value`, else 0.
  NodeId differs(NodeId x, double value);
  // x where the mask is above 1/2, else `fill`. The mask has the rows and columns of x, or one.
  NodeId keep_where(NodeId x, NodeId mask, double fill);
  NodeId activity(NodeId x, double l1, double l2);
  NodeId reshape(NodeId x, SampleShape shape);
  // Each sample as a stack of matrices of `rows` rows of its cols values, each transposed.
  NodeId transpose(NodeId x, Index rows);
  // Each value of a sample gets the row of the embeddings (input_dim, output_dim) that it is the
  // number of. A run ends with a ValueError at a value that is none from 0 to input_dim - 1.
  NodeId embedding(NodeId x, ParameterPtr<T> embeddings, bool trainable = true);
  NodeId add(const std::vector<NodeId>& inputs);
  NodeId multiply(const std::vector<NodeId>& inputs);
  // Inputs that are equally large, or small, share the gradient evenly.
  NodeId maximum(const std::vector<NodeId>& inputs);
  NodeId minimum(const std::vector<NodeId>& inputs);
  // The products of the rows of two samples, which have as many columns.
  NodeId dot(const std::vector<NodeId>& inputs);
  NodeId concatenate(const std::vector<NodeId>& inputs);
  NodeId custom(const std::vector<NodeId>& inputs, SampleShape shape, CustomNode<T> node,
                bool trainable = true);
  NodeId expression(const std::vector<NodeId>& inputs, SampleShape shape, ExpressionNode<T> node,
                    bool trainable = true);

  // A node of any kind but custom and expression, with the parameters that its description names.
  // ValueError for an unknown kind, and for attributes and parameters that are not the kind's.
  NodeId add_node(const NodeDescription& node, const NamedParameters<T>& parameters);

  // The nodes, but for outputs; none if one is custom. Parameters have the names that they have in
  // `named`, and others their own, with a number behind if it is taken.
  std::optional<DescribedGraph<T>> describe(const NamedParameters<T>& named = {}) const;
  // The graph of a description. ValueError if it makes none.
  static Graph from_description(const GraphDescription& description,
                                const NamedParameters<T>& parameters);

  // Of the nodes that are added from now on.
  void set_training(Training training) { training_ = training; }
  Training training() const { return training_; }

  // The graph with copies of all parameters, as they are now, and dense kernels packed: for
  // inference alone, and faster. Precision as for PackedMatrix.
  // ValueError for int8 weights of a graph of float64, and of kernels that are not finite.
  Graph frozen(std::optional<Precision> precision = {},
               DenseWeights weights = DenseWeights::floating) const;
  bool is_frozen() const;
  // In the nodes' order; a packed kernel as the products use it.
  std::vector<ParameterPtr<T>> parameters() const;

  const std::vector<Node<T>>& nodes() const { return nodes_; }
  const Node<T>& node(NodeId id) const;

 private:
  NodeId append(std::shared_ptr<nn::Operation<T>> operation, std::vector<NodeId> inputs,
                bool trainable = false);
  std::vector<Node<T>> nodes_;
  Training training_ = Training::as_run;
};

}  // namespace unitgain
