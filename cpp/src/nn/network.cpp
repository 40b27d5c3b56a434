#include "unitgain/network.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "nn/optimizer.hpp"
#include "nn/plan_cache.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

using nn::Mode;

namespace {

// How often a pass tells how far it has come: often enough for a progress bar and for Ctrl-C.
constexpr auto progress_interval = std::chrono::milliseconds(100);

class Ticker {
 public:
  explicit Ticker(const Progress& progress) : progress_(progress), last_(Clock::now()) {}

  // False when the pass should end.
  bool operator()(Index batches_done, const Totals& totals) {
    if (!progress_ || Clock::now() - last_ < progress_interval) return true;
    const bool go_on = progress_(batches_done, totals);
    last_ = Clock::now();
    return go_on;
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Progress& progress_;
  Clock::time_point last_;
};

// Calls body(first, batch, totals) for each batch of `count` samples, until the progress callback
// ends the pass.
template <class Body>
Totals for_each_batch(Index count, Index batch_size, const Progress& progress, Body&& body) {
  if (batch_size < 1) {
    throw ValueError("batch_size must be at least 1, but it is " + std::to_string(batch_size));
  }
  Ticker tick(progress);
  Totals totals;
  for (Index first = 0, batches = 0; first < count; first += batch_size) {
    body(first, std::min(batch_size, count - first), totals);
    if (!tick(++batches, totals)) break;
  }
  return totals;
}

template <class T>
std::vector<ParameterPtr<T>> trainable_parameters(const Graph<T>& graph) {
  std::vector<ParameterPtr<T>> found;
  const auto add = [&](const ParameterPtr<T>& parameter) {
    if (parameter != nullptr && std::find(found.begin(), found.end(), parameter) == found.end()) {
      found.push_back(parameter);
    }
  };
  for (const Node<T>& node : graph.nodes()) {
    if (!node.trainable) continue;
    if (const auto* dense = std::get_if<DenseNode<T>>(&node.operation)) {
      add(dense->kernel);
      add(dense->bias);
    } else if (const auto* norm = std::get_if<BatchNormNode<T>>(&node.operation)) {
      add(norm->gamma);
      add(norm->beta);
    } else if (const auto* prelu = std::get_if<PReluNode<T>>(&node.operation)) {
      add(prelu->alpha);
    }
  }
  return found;
}

template <class T>
NodeId only_input(const Graph<T>& graph) {
  NodeId found = -1;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    if (!std::holds_alternative<InputNode>(graph.node(id).operation)) continue;
    if (found >= 0) throw ValueError("a network has one input, but the graph has several");
    found = id;
  }
  if (found < 0) throw ValueError("the graph has no input");
  return found;
}

template <class T>
constexpr ElementType element_type =
    sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;

}  // namespace

template <class T>
struct Network<T>::State {
  Graph<T> graph;
  NodeId input, output;
  std::vector<ParameterPtr<T>> trainable;
  nn::PlanCache<T> plans;
  std::shared_mutex parameters;  // shared to read them, alone to change them

  std::optional<LossSpec> loss;
  std::unique_ptr<nn::Optimizer<T>> optimizer;
  nn::ParameterGradients<T> gradients;
  std::uint64_t step = 0;  // the stream of the next training step's random numbers

  nn::PlanLease<T> lease(Index batch, Mode mode) {
    const int threads = num_threads();
    return plans.lease(batch, mode, threads, [&] {
      return nn::make_plan(graph, output, batch, mode, loss ? &*loss : nullptr, gradients, threads);
    });
  }

  nn::Context<T> context(const nn::PlanLease<T>& lease, const Samples& samples, Index first) const {
    const nn::Plan<T>& plan = lease.plan();
    nn::Context<T> context{};
    context.arena = lease.arena();
    context.offsets = plan.offsets.data();
    context.samples = &samples;
    context.first = first;
    context.step = step;
    context.update_statistics = true;
    context.input = plan.input;
    context.output = plan.output;
    context.direct_input = direct_input(samples, first, plan.batch);
    return context;
  }

  // The batch where it lies, if it can be read there.
  static const T* direct_input(const Samples& samples, Index first, Index batch) {
    const SampleArray& x = samples.x;
    constexpr auto size = static_cast<Index>(sizeof(T));
    const bool contiguous = x.type == element_type<T> && (x.cols <= 1 || x.col_stride == size) &&
                            (batch <= 1 || x.row_stride == x.cols * size);
    if (samples.order != nullptr || !contiguous) return nullptr;
    return reinterpret_cast<const T*>(static_cast<const std::byte*>(x.data) + first * x.row_stride);
  }

  void check_features(const SampleArray& x) const {
    const Index expected = graph.node(input).shape.size();
    if (x.cols == expected) return;
    throw ValueError("x has " + std::to_string(x.cols) + " features, but the network takes " +
                     std::to_string(expected));
  }

  void check_samples(const Samples& samples) const {
    check_features(samples.x);
    if (!loss) throw ValueError("the network has no loss: compile it first");
    const SampleShape shape = graph.node(output).shape;
    if (loss->kind == LossKind::mean_squared_error) {
      if (samples.targets.rows != samples.x.rows || samples.targets.cols != shape.size()) {
        throw ValueError("y has " + std::to_string(samples.targets.rows) + " rows of " +
                         std::to_string(samples.targets.cols) + " values, expected " +
                         std::to_string(samples.x.rows) + " rows of " +
                         std::to_string(shape.size()));
      }
      return;
    }
    const Index labels = samples.x.rows * shape.rows;
    for (Index i = 0; i < labels; ++i) {
      if (samples.labels[i] < 0 || samples.labels[i] >= shape.cols) {
        throw ValueError("y has the label " + std::to_string(samples.labels[i]) + " at index " +
                         std::to_string(i) + ", but the output has " + std::to_string(shape.cols) +
                         " classes: labels run from 0 to " + std::to_string(shape.cols - 1));
      }
    }
  }

  // Adds one batch's losses and metrics, in the order of its rows.
  void count(const nn::Plan<T>& plan, const nn::Context<T>& context, Totals& totals) const {
    const Samples& samples = *context.samples;
    const auto* row_losses = context.template at<double>(plan.row_losses);
    double loss_sum = 0, correct = 0, absolute = 0;
    for (Index i = 0; i < plan.rows; ++i) loss_sum += row_losses[i];
    if (plan.predicted != nn::no_buffer) {
      const auto* predicted = context.template at<std::int32_t>(plan.predicted);
      const Index per_sample = plan.rows / plan.batch;
      for (Index i = 0; i < plan.rows; ++i) {
        Index row = context.first + i / per_sample;
        if (samples.order != nullptr) row = samples.order[row];
        if (predicted[i] == samples.labels[row * per_sample + i % per_sample]) correct += 1;
      }
    } else {
      const auto* errors = context.template at<double>(plan.row_absolute_errors);
      for (Index i = 0; i < plan.rows; ++i) absolute += errors[i];
    }
    const double rows_per_sample = static_cast<double>(plan.rows) / static_cast<double>(plan.batch);
    totals.samples += plan.batch;
    totals.loss += loss_sum / rows_per_sample;
    totals.correct += correct / rows_per_sample;
    totals.absolute_error += absolute / rows_per_sample;
  }
};

template <class T>
Network<T>::Network(Graph<T> graph, NodeId output) : state_(new State{}) {
  state_->input = only_input(graph);
  graph.node(output);  // throws if there is none
  state_->output = output;
  state_->trainable = trainable_parameters(graph);
  state_->graph = std::move(graph);
}

template <class T>
Network<T>::~Network() = default;

template <class T>
const Graph<T>& Network<T>::graph() const {
  return state_->graph;
}

template <class T>
SampleShape Network<T>::input_shape() const {
  return state_->graph.node(state_->input).shape;
}

template <class T>
SampleShape Network<T>::output_shape() const {
  return state_->graph.node(state_->output).shape;
}

template <class T>
const std::vector<ParameterPtr<T>>& Network<T>::trainable() const {
  return state_->trainable;
}

template <class T>
void Network<T>::exclusively(const std::function<void()>& change) {
  const std::unique_lock lock(state_->parameters);
  change();
}

template <class T>
void Network<T>::forward(const SampleArray& x, T* y) {
  state_->check_features(x);
  if (x.rows == 0) return;
  Samples samples;
  samples.x = x;
  samples.count = x.rows;
  const std::unique_lock lock(state_->parameters);
  nn::PlanLease<T> lease = state_->lease(x.rows, Mode::forward);
  nn::Context<T> context = state_->context(lease, samples, 0);
  context.direct_output = y;
  lease.run(context);
  ++state_->step;
}

template <class T>
void Network<T>::predict(const SampleArray& x, T* y, Index batch_size,
                         const Progress& progress) const {
  state_->check_features(x);
  Samples samples;
  samples.x = x;
  samples.count = x.rows;
  for_each_batch(x.rows, batch_size, progress, [&](Index first, Index batch, Totals& totals) {
    const std::shared_lock lock(state_->parameters);
    nn::PlanLease<T> lease = state_->lease(batch, Mode::infer);
    nn::Context<T> context = state_->context(lease, samples, first);
    context.direct_output = y + first * output_shape().size();
    lease.run(context);
    totals.samples += batch;
  });
}

template <class T>
void Network<T>::compile(const OptimizerSpec& optimizer, const LossSpec& loss) {
  const std::unique_lock lock(state_->parameters);
  state_->optimizer = std::make_unique<nn::Optimizer<T>>(optimizer, state_->trainable);
  state_->loss = loss;
  state_->gradients = {};
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) {
    state_->gradients.parameters.push_back(state_->trainable[i].get());
    state_->gradients.gradients.push_back(state_->optimizer->gradient(i));
  }
  state_->plans.clear();
}

template <class T>
void Network<T>::set_learning_rate(double learning_rate) {
  const std::unique_lock lock(state_->parameters);
  if (state_->optimizer) state_->optimizer->spec().learning_rate = learning_rate;
}

template <class T>
double Network<T>::learning_rate() const {
  const std::shared_lock lock(state_->parameters);
  return state_->optimizer ? state_->optimizer->spec().learning_rate : 0.0;
}

template <class T>
std::int64_t Network<T>::iterations() const {
  const std::shared_lock lock(state_->parameters);
  return state_->optimizer ? state_->optimizer->iterations() : 0;
}

template <class T>
Totals Network<T>::train(const Samples& samples, Index batch_size, const Progress& progress) {
  state_->check_samples(samples);
  const auto step = [&](Index first, Index batch, Totals& totals) {
    const std::unique_lock lock(state_->parameters);
    nn::PlanLease<T> lease = state_->lease(batch, Mode::train);
    const nn::Context<T> context = state_->context(lease, samples, first);
    nn::Optimizer<T>& optimizer = *state_->optimizer;
    optimizer.begin_step();
    lease.run(context, [&](const runtime::Team& team) { optimizer.update(team); });
    ++state_->step;
    state_->count(lease.plan(), context, totals);
  };
  return for_each_batch(samples.count, batch_size, progress, step);
}

template <class T>
Totals Network<T>::evaluate(const Samples& samples, Index batch_size,
                            const Progress& progress) const {
  state_->check_samples(samples);
  const auto compare = [&](Index first, Index batch, Totals& totals) {
    const std::shared_lock lock(state_->parameters);
    nn::PlanLease<T> lease = state_->lease(batch, Mode::evaluate);
    const nn::Context<T> context = state_->context(lease, samples, first);
    lease.run(context);
    state_->count(lease.plan(), context, totals);
  };
  return for_each_batch(samples.count, batch_size, progress, compare);
}

template <class T>
Totals Network<T>::gradients(const Samples& samples, const std::vector<T*>& gradients) {
  state_->check_samples(samples);
  Totals totals;
  if (samples.count == 0) throw ValueError("x has no rows");
  const std::unique_lock lock(state_->parameters);
  nn::PlanLease<T> lease = state_->lease(samples.count, Mode::train);
  nn::Context<T> context = state_->context(lease, samples, 0);
  context.update_statistics = false;
  lease.run(context);
  state_->count(lease.plan(), context, totals);
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) {
    std::copy_n(state_->gradients.gradients[i], state_->trainable[i]->size(), gradients[i]);
  }
  return totals;
}

template class Network<float>;
template class Network<double>;

}  // namespace unitgain
