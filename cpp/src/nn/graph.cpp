#include "unitgain/graph.hpp"

#include <algorithm>
#include <cstring>

#include "base/memory.hpp"
#include "base/shape_text.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

using base::shape_text;

template <class T>
Parameter<T>::Parameter(std::string name, std::vector<Index> shape, T* data,
                        std::shared_ptr<const void> owner)
    : name_(std::move(name)),
      shape_(std::move(shape)),
      size_(1),
      data_(data),
      owner_(std::move(owner)) {
  for (const Index size : shape_) {
    if (size < 0)
      throw ValueError(name_ + " has a negative size in its shape " + shape_text(shape_));
    size_ *= size;
  }
}

template <class T>
Parameter<T>::Parameter(std::string name, std::vector<Index> shape, Int8Values values)
    : Parameter(std::move(name), std::move(shape), nullptr, values.owner) {
  int8_ = std::move(values);
}

template <class T>
Parameter<T>::Parameter(std::string name, std::vector<Index> shape)
    : Parameter(std::move(name), std::move(shape), nullptr, nullptr) {
  const auto bytes = static_cast<std::size_t>(size_) * sizeof(T);
  data_ = static_cast<T*>(base::allocate(bytes, name_.c_str()));
  std::memset(data_, 0, bytes);
}

template <class T>
Parameter<T>::~Parameter() {
  if (owner_ != nullptr || data_ == nullptr) return;
  base::deallocate(data_, static_cast<std::size_t>(size_) * sizeof(T));
}

template <class T>
NodeId Graph<T>::append(std::shared_ptr<nn::Operation<T>> operation, std::vector<NodeId> inputs,
                        bool trainable) {
  const nn::Arity arity = operation->arity();
  const bool fits = arity == nn::Arity::none  ? inputs.empty()
                    : arity == nn::Arity::one ? inputs.size() == 1
                                              : !inputs.empty();
  if (!fits) {
    const char* expected[] = {"none", "one", "one or more"};
    throw ValueError(std::string(operation->kind()) + " has " + std::to_string(inputs.size()) +
                     " inputs, expected " + expected[static_cast<int>(arity)]);
  }
  std::vector<SampleShape> shapes;
  for (const NodeId id : inputs) shapes.push_back(node(id).shape);
  const SampleShape shape = operation->bind(shapes);
  // Far above what memory holds, and far below where sizes of batches overflow.
  constexpr Index most = Index{1} << 40;
  if (shape.cols > most || (shape.cols > 0 && shape.rows > most / shape.cols)) {
    throw ValueError("a sample of shape " + shape_text({shape.rows, shape.cols}) +
                     " has too many values");
  }
  nodes_.push_back({std::move(operation), std::move(inputs), shape, trainable, training_});
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
Graph<T> Graph<T>::frozen(std::optional<Precision> precision, DenseWeights weights) const {
  if (weights == DenseWeights::int8 && sizeof(T) != sizeof(float)) {
    throw ValueError("int8 is for float32 models, but this one is float64");
  }
  Graph copy = *this;
  const Precision chosen = precision.value_or(float32_matmul_precision());
  for (Node<T>& node : copy.nodes_) {
    const auto operation = node.operation->copy();
    operation->freeze(chosen, weights);
    node.operation = operation;
    node.trainable = false;
  }
  return copy;
}

template <class T>
bool Graph<T>::is_frozen() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const Node<T>& node) { return node.operation->is_frozen(); });
}

template <class T>
std::vector<ParameterPtr<T>> Graph<T>::parameters() const {
  std::vector<ParameterPtr<T>> all;
  for (const Node<T>& node : nodes_) {
    const auto found = node.operation->parameters();
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

template class Parameter<float>;
template class Parameter<double>;
template class Graph<float>;
template class Graph<double>;

}  // namespace unitgain
