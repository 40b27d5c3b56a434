// Networks: what they are made of. What they do is in network_running.cpp and network_training.cpp.
#include "unitgain/network.hpp"

#include "nn/network_state.hpp"

namespace unitgain {

namespace {

template <class T>
constexpr ElementType element_type =
    sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;

}  // namespace

template <class T>
const T* Network<T>::State::direct_input(const Samples& samples, const SampleArray& x, Index first,
                                         Index batch) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  if (samples.mix.kind != Mixing::none) return nullptr;
  const bool contiguous = x.type == element_type<T> && (x.cols <= 1 || x.col_stride == size) &&
                          (batch <= 1 || x.row_stride == x.cols * size);
  if (samples.order != nullptr || !contiguous) return nullptr;
  return reinterpret_cast<const T*>(static_cast<const std::byte*>(x.data) + first * x.row_stride);
}

template <class T>
Network<T>::Network(Graph<T> graph, std::vector<NodeId> outputs)
    : state_(new State(std::move(graph), std::move(outputs))) {}

template <class T>
Network<T>::~Network() = default;

template <class T>
const Graph<T>& Network<T>::graph() const {
  return state_->graph;
}

template <class T>
const std::vector<NodeId>& Network<T>::inputs() const {
  return state_->inputs;
}

template <class T>
const std::vector<NodeId>& Network<T>::outputs() const {
  return state_->outputs;
}

template <class T>
SampleShape Network<T>::input_shape(std::size_t input) const {
  return state_->graph.node(state_->inputs.at(input)).shape;
}

template <class T>
SampleShape Network<T>::output_shape(std::size_t output) const {
  return state_->graph.node(state_->outputs.at(output)).shape;
}

template <class T>
const std::vector<ParameterPtr<T>>& Network<T>::trainable() const {
  return state_->trainable;
}

template <class T>
void Network<T>::exclusively(const std::function<void()>& change) {
  const nn::StepLock lock(*state_);
  change();
}

template <class T>
std::unique_ptr<Network<T>> Network<T>::frozen(std::optional<Precision> precision,
                                               DenseWeights weights) const {
  const std::shared_lock lock(state_->steps());
  auto made = std::make_unique<Network>(state_->graph.frozen(precision, weights), state_->outputs);
  made->set_step(state_->step);
  return made;
}

template <class T>
void Network<T>::set_learning_rate(double learning_rate) {
  if (const auto known = optimizer()) known->set_learning_rate(learning_rate);
}

template <class T>
std::uint64_t Network<T>::step() const {
  return state_->step;
}

template <class T>
void Network<T>::set_step(std::uint64_t step) {
  exclusively([&] { state_->step = step; });
}

template <class T>
std::vector<ParameterPtr<T>> Network<T>::parameters() const {
  return state_->graph.parameters();
}

template <class T>
double Network<T>::learning_rate() const {
  const auto known = optimizer();
  return known ? known->learning_rate() : 0.0;
}

template <class T>
std::int64_t Network<T>::iterations() const {
  const auto known = optimizer();
  return known ? known->iterations() : 0;
}

template <class T>
std::shared_ptr<nn::Optimizer<T>> Network<T>::optimizer() const {
  const std::shared_lock lock(state_->steps());
  return state_->optimizer;
}

template class Network<float>;
template class Network<double>;

}  // namespace unitgain
