#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/memory.hpp"
#include "base/shape_text.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"
#include "unitgain/noise.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

using base::shape_text;

namespace {

// As many values as there are features, or (if `optional`) none.
template <class T>
void check_vector(const ParameterPtr<T>& parameter, const char* name, Index features,
                  bool optional) {
  if (parameter == nullptr) {
    if (optional) return;
    throw ValueError(std::string(name) + " is missing");
  }
  if (parameter->size() != features) {
    throw ValueError(std::string(name) + " has shape " + shape_text(parameter->shape()) +
                     ", but x has " + std::to_string(features) + " features");
  }
}

}  // namespace

template <class T>
Parameter<T>::Parameter(std::string name, std::vector<Index> shape)
    : name_(std::move(name)), shape_(std::move(shape)), size_(1) {
  for (const Index size : shape_) {
    if (size < 0)
      throw ValueError(name_ + " has a negative size in its shape " + shape_text(shape_));
    size_ *= size;
  }
  const auto bytes = static_cast<std::size_t>(size_) * sizeof(T);
  data_ = static_cast<T*>(base::allocate(bytes, name_.c_str()));
  std::memset(data_, 0, bytes);
}

template <class T>
Parameter<T>::~Parameter() {
  base::deallocate(data_, static_cast<std::size_t>(size_) * sizeof(T));
}

template <class T>
NodeId Graph<T>::append(Node<T> node) {
  node.training = training_;
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size()) - 1;
}

template <class T>
const Node<T>& Graph<T>::node(NodeId id) const {
  if (id < 0 || id >= static_cast<NodeId>(nodes_.size())) {
    throw ValueError("the graph has no node " + std::to_string(id));
  }
  return nodes_[static_cast<std::size_t>(id)];
}

template <class T>
NodeId Graph<T>::input(SampleShape shape) {
  if (shape.rows < 1 || shape.cols < 1) throw ValueError("an input needs at least one feature");
  return append({InputNode{}, {}, shape, false});
}

template <class T>
NodeId Graph<T>::dense(NodeId x, ParameterPtr<T> kernel, ParameterPtr<T> bias, bool trainable) {
  const SampleShape shape = node(x).shape;
  if (kernel == nullptr) throw ValueError("kernel is missing");
  if (kernel->shape().size() != 2 || kernel->shape()[0] != shape.cols) {
    throw ValueError("kernel has shape " + shape_text(kernel->shape()) + ", but x has " +
                     std::to_string(shape.cols) + " features");
  }
  const Index units = kernel->shape()[1];
  if (bias != nullptr && bias->shape() != std::vector<Index>{units}) {
    throw ValueError("bias has shape " + shape_text(bias->shape()) + ", but kernel has " +
                     std::to_string(units) + " units");
  }
  return append(
      {DenseNode<T>{std::move(kernel), std::move(bias)}, {x}, {shape.rows, units}, trainable});
}

template <class T>
NodeId Graph<T>::batch_norm(NodeId x, const BatchNormNode<T>& parameters, bool trainable) {
  const SampleShape shape = node(x).shape;
  check_vector(parameters.gamma, "gamma", shape.cols, true);
  check_vector(parameters.beta, "beta", shape.cols, true);
  check_vector(parameters.moving_mean, "moving_mean", shape.cols, false);
  check_vector(parameters.moving_variance, "moving_variance", shape.cols, false);
  return append({parameters, {x}, shape, trainable});
}

template <class T>
NodeId Graph<T>::layer_norm(NodeId x, const LayerNormNode<T>& parameters, bool trainable) {
  const SampleShape shape = node(x).shape;
  check_vector(parameters.gamma, "gamma", shape.cols, true);
  check_vector(parameters.beta, "beta", shape.cols, true);
  return append({parameters, {x}, shape, trainable});
}

template <class T>
NodeId Graph<T>::activation(NodeId x, const ActivationSpec& activation) {
  return append({ActivationNode{activation}, {x}, node(x).shape, false});
}

template <class T>
NodeId Graph<T>::prelu(NodeId x, const PReluNode<T>& parameters, bool trainable) {
  const SampleShape shape = node(x).shape, alpha = parameters.alpha_shape;
  if (parameters.alpha == nullptr) throw ValueError("alpha is missing");
  const bool fits = (alpha.rows == 1 || alpha.rows == shape.rows) &&
                    (alpha.cols == 1 || alpha.cols == shape.cols);
  if (!fits || alpha.size() != parameters.alpha->size()) {
    throw ValueError("alpha has shape " + shape_text(parameters.alpha->shape()) +
                     ", but x has samples of shape " + shape_text({shape.rows, shape.cols}));
  }
  return append({parameters, {x}, shape, trainable});
}

template <class T>
NodeId Graph<T>::softmax(NodeId x) {
  return append({SoftmaxNode{}, {x}, node(x).shape, false});
}

template <class T>
NodeId Graph<T>::log_softmax(NodeId x) {
  return append({LogSoftmaxNode{}, {x}, node(x).shape, false});
}

template <class T>
NodeId Graph<T>::noise(NodeId x, const NoiseSpec& noise, std::uint64_t key) {
  check_noise(noise);
  return append({NoiseNode{noise, key}, {x}, node(x).shape, false});
}

template <class T>
NodeId Graph<T>::activity(NodeId x, double l1, double l2) {
  for (const double factor : {l1, l2}) {
    if (std::isfinite(factor) && factor >= 0) continue;
    throw ValueError("a penalty's factor must be finite and at least 0, but it is " +
                     std::to_string(factor));
  }
  return append({ActivityNode{l1, l2}, {x}, node(x).shape, false});
}

template <class T>
NodeId Graph<T>::reshape(NodeId x, SampleShape shape) {
  if (node(x).shape.size() != shape.size()) {
    throw ValueError("a sample of " + std::to_string(node(x).shape.size()) +
                     " values cannot be reshaped to " + shape_text({shape.rows, shape.cols}));
  }
  return append({ReshapeNode{}, {x}, shape, false});
}

template <class T>
NodeId Graph<T>::transpose(NodeId x, Index rows) {
  const SampleShape shape = node(x).shape;
  if (rows < 1 || shape.rows % rows != 0) {
    throw ValueError("a sample of " + std::to_string(shape.rows) +
                     " rows is no stack of matrices of " + std::to_string(rows));
  }
  return append(
      {TransposeNode{rows, shape.cols}, {x}, {shape.rows / rows * shape.cols, rows}, false});
}

template <class T>
NodeId Graph<T>::add(const std::vector<NodeId>& inputs) {
  if (inputs.empty()) throw ValueError("a sum needs inputs");
  const SampleShape first = node(inputs[0]).shape;
  for (const NodeId id : inputs) {
    const SampleShape shape = node(id).shape;
    if (shape.rows == first.rows && shape.cols == first.cols) continue;
    throw ValueError("the inputs of a sum have samples of shapes " +
                     shape_text({first.rows, first.cols}) + " and " +
                     shape_text({shape.rows, shape.cols}));
  }
  return append({AddNode{}, inputs, first, false});
}

template <class T>
NodeId Graph<T>::concatenate(const std::vector<NodeId>& inputs) {
  if (inputs.empty()) throw ValueError("a concatenation needs inputs");
  SampleShape all = {node(inputs[0]).shape.rows, 0};
  for (const NodeId id : inputs) {
    const SampleShape shape = node(id).shape;
    if (shape.rows != all.rows) {
      throw ValueError("the inputs of a concatenation have samples of " + std::to_string(all.rows) +
                       " and " + std::to_string(shape.rows) + " rows");
    }
    all.cols += shape.cols;
  }
  return append({ConcatenateNode{}, inputs, all, false});
}

template <class T>
NodeId Graph<T>::custom(const std::vector<NodeId>& inputs, SampleShape shape, CustomNode<T> made,
                        bool trainable) {
  if (inputs.empty()) throw ValueError("a custom node needs inputs");
  for (const NodeId id : inputs) node(id);
  if (made.operation == nullptr) throw ValueError("operation is missing");
  if (shape.rows < 1 || shape.cols < 1) throw ValueError("a custom node needs an output");
  return append({std::move(made), inputs, shape, trainable});
}

namespace {

template <class T>
void copy_parameter(ParameterPtr<T>& parameter) {
  if (parameter == nullptr) return;
  auto copy = std::make_shared<Parameter<T>>(parameter->name(), parameter->shape());
  std::copy_n(parameter->data(), parameter->size(), copy->data());
  parameter = std::move(copy);
}

template <class T>
void freeze(DenseNode<T>& dense, Precision precision) {
  copy_parameter(dense.bias);
  if (dense.packed != nullptr) return;
  const Index inputs = dense.inputs(), units = dense.units();
  dense.packed = std::make_shared<const PackedMatrix<T>>(
      MatrixView<const T>{dense.kernel->data(), inputs, units, units, 1}, precision);
  dense.kernel = nullptr;
}

template <class T>
void freeze(BatchNormNode<T>& norm, Precision) {
  copy_parameter(norm.gamma);
  copy_parameter(norm.beta);
  copy_parameter(norm.moving_mean);
  copy_parameter(norm.moving_variance);
}

template <class T>
void freeze(LayerNormNode<T>& norm, Precision) {
  copy_parameter(norm.gamma);
  copy_parameter(norm.beta);
}

template <class T>
void freeze(PReluNode<T>& prelu, Precision) {
  copy_parameter(prelu.alpha);
}

template <class Other>
void freeze(Other&, Precision) {}

}  // namespace

template <class T>
Graph<T> Graph<T>::frozen(std::optional<Precision> precision) const {
  Graph copy = *this;
  const Precision chosen = precision.value_or(float32_matmul_precision());
  for (Node<T>& node : copy.nodes_) {
    node.trainable = false;
    std::visit([&](auto& operation) { freeze(operation, chosen); }, node.operation);
  }
  return copy;
}

template <class T>
bool Graph<T>::is_frozen() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const Node<T>& node) {
    const auto* dense = std::get_if<DenseNode<T>>(&node.operation);
    return dense != nullptr && dense->packed != nullptr;
  });
}

namespace {

template <class T>
std::vector<ParameterPtr<T>> parameters_of(const DenseNode<T>& dense) {
  if (dense.packed == nullptr) return {dense.kernel, dense.bias};
  const std::vector<Index> shape{dense.inputs(), dense.units()};
  auto kernel = std::make_shared<Parameter<T>>("kernel", shape);
  dense.packed->unpack({kernel->data(), shape[0], shape[1], shape[1], 1});
  return {std::move(kernel), dense.bias};
}

template <class T>
std::vector<ParameterPtr<T>> parameters_of(const BatchNormNode<T>& norm) {
  return {norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance};
}

template <class T>
std::vector<ParameterPtr<T>> parameters_of(const LayerNormNode<T>& norm) {
  return {norm.gamma, norm.beta};
}

template <class T>
std::vector<ParameterPtr<T>> parameters_of(const PReluNode<T>& prelu) {
  return {prelu.alpha};
}

}  // namespace

template <class T>
std::vector<ParameterPtr<T>> Graph<T>::parameters() const {
  std::vector<ParameterPtr<T>> all;
  for (const Node<T>& node : nodes_) {
    std::visit(
        [&](const auto& operation) {
          if constexpr (requires { parameters_of(operation); }) {
            for (ParameterPtr<T>& parameter : parameters_of(operation)) {
              if (parameter != nullptr) all.push_back(std::move(parameter));
            }
          }
        },
        node.operation);
  }
  return all;
}

template class Parameter<float>;
template class Parameter<double>;
template class Graph<float>;
template class Graph<double>;

}  // namespace unitgain
