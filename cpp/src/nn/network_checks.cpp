// The arguments of a network: the checks of samples, targets, options and metrics.
#include <string>

#include "nn/network_state.hpp"

namespace unitgain {

namespace {

// "x" of a network with one input, "x[1]" of one with several.
std::string name_of(const char* name, std::size_t which, std::size_t count) {
  std::string text = name;
  if (count > 1) text.append("[").append(std::to_string(which)).append("]");
  return text;
}

}  // namespace

template <class T>
void Network<T>::State::check_count(const std::vector<UpdateOptions>& options) const {
  if (options.size() == trainable.size()) return;
  throw ValueError(std::to_string(options.size()) + " options for " +
                   std::to_string(trainable.size()) + " trainable parameters");
}

template <class T>
void Network<T>::State::check_differentiable() const {
  if (graph.is_frozen()) throw ValueError("a frozen network has no gradients");
  const std::vector<bool> used = nn::ancestors(graph, outputs);
  for (std::size_t i = 0; i < used.size(); ++i) {
    const nn::Operation<T>& operation = *graph.nodes()[i].operation;
    if (!used[i] || operation.role() != nn::Role::lookup) continue;
    const std::string name = operation.parameters()[0]->name();
    throw ValueError(name.substr(0, name.rfind('/')) +
                     " takes whole numbers, at which there is no gradient: take the part of the "
                     "network behind it");
  }
}

template <class T>
void Network<T>::State::check_inputs(std::span<const SampleArray> x) const {
  if (x.size() != inputs.size()) {
    throw ValueError("x has " + std::to_string(x.size()) + " arrays, but the network has " +
                     std::to_string(inputs.size()) + " inputs");
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Index expected = graph.node(inputs[i]).shape.size();
    if (x[i].cols != expected) {
      throw ValueError(name_of("x", i, x.size()) + " has " + std::to_string(x[i].cols) +
                       " features, but the network takes " + std::to_string(expected));
    }
    if (x[i].rows != x[0].rows) {
      throw ValueError(name_of("x", i, x.size()) + " has " + std::to_string(x[i].rows) +
                       " samples, but x[0] has " + std::to_string(x[0].rows));
    }
  }
}

template <class T>
void Network<T>::State::check_samples(const Samples& samples) const {
  check_inputs(samples.x);
  if (losses.empty()) throw ValueError("the network has no loss: compile it first");
  if (samples.y.size() != outputs.size()) {
    throw ValueError("y has " + std::to_string(samples.y.size()) + " arrays, but the network has " +
                     std::to_string(outputs.size()) + " outputs");
  }
  check_mix(samples);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (losses[i].loss) check_target(samples, i);
  }
}

template <class T>
void Network<T>::State::check_target(const Samples& samples, std::size_t output) const {
  const LossSpec& loss = *losses[output].loss;
  const Target& target = samples.y[output];
  const std::string name = name_of("y", output, outputs.size());
  const SampleShape shape = graph.node(outputs[output]).shape;
  const Index rows = samples.x[0].rows;
  if (!loss_info(loss.kind).takes_labels) {
    const Index cols = shape.rows * target_cols(loss, shape.cols);
    if (target.values.rows != rows || target.values.cols != cols) {
      throw ValueError(name + " has " + std::to_string(target.values.rows) + " rows of " +
                       std::to_string(target.values.cols) + " values, expected " +
                       std::to_string(rows) + " rows of " + std::to_string(cols));
    }
    return;
  }
  if (samples.mix.kind != Mixing::none) {
    throw ValueError("class labels cannot be mixed: the loss must take target values");
  }
  const Index labels = rows * shape.rows;
  if (labels > 0 && target.labels == nullptr) throw ValueError(name + " has no class labels");
  for (Index i = 0; i < labels; ++i) {
    if (loss.ignores_class && target.labels[i] == loss.ignore_class) continue;
    if (target.labels[i] < 0 || target.labels[i] >= shape.cols) {
      throw ValueError(name + " has the label " + std::to_string(target.labels[i]) + " at index " +
                       std::to_string(i) + ", but the output has " + std::to_string(shape.cols) +
                       " classes: labels run from 0 to " + std::to_string(shape.cols - 1));
    }
  }
}

template <class T>
void Network<T>::State::check_metrics(const OutputLoss& output, Index cols) const {
  for (const MetricSpec& metric : output.metrics) {
    check_metric(metric, cols);
    if (metric.kind == MetricKind::custom) continue;
    const bool takes_labels = loss_info(output.loss->kind).takes_labels;
    if (metric.takes_labels != takes_labels || target_cols(*output.loss, 2) != 2) {
      throw ValueError("a metric needs other targets than its output's loss");
    }
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                          \
  template void Network<T>::State::check_count(const std::vector<UpdateOptions>&) const; \
  template void Network<T>::State::check_inputs(std::span<const SampleArray>) const;     \
  template void Network<T>::State::check_differentiable() const;                         \
  template void Network<T>::State::check_samples(const Samples&) const;                  \
  template void Network<T>::State::check_target(const Samples&, std::size_t) const;      \
  template void Network<T>::State::check_metrics(const OutputLoss&, Index) const
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
