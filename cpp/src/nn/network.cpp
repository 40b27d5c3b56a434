#include "unitgain/network.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "nn/optimizer.hpp"
#include "nn/plan_cache.hpp"
#include "runtime/dispatch.hpp"
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
    } else if (const auto* layer_norm = std::get_if<LayerNormNode<T>>(&node.operation)) {
      add(layer_norm->gamma);
      add(layer_norm->beta);
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
  MetricSpec metrics;
  std::shared_ptr<nn::Optimizer<T>> optimizer;
  base::AlignedBuffer<T> gradient_memory;
  nn::ParameterGradients<T> gradients;
  std::uint64_t step = 0;  // the stream of the next training step's random numbers

  nn::PlanLease<T> lease(Index batch, Mode mode) {
    const int threads = num_threads();
    const Precision precision = float32_matmul_precision();
    return plans.lease(batch, mode, threads, precision, [&] {
      return nn::make_plan(graph, output, batch, mode, loss ? &*loss : nullptr, metrics, gradients,
                           threads, precision);
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
    if (samples.mix.kind != Mixing::none) return nullptr;
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
    check_mix(samples);
    if (samples.mix.kind != Mixing::none && loss_info(loss->kind).takes_labels) {
      throw ValueError("class labels cannot be mixed: the loss must take target values");
    }
    const SampleShape shape = graph.node(output).shape;
    if (!loss_info(loss->kind).takes_labels) {
      const Index cols = shape.rows * target_cols(*loss, shape.cols);
      if (samples.targets.rows != samples.x.rows || samples.targets.cols != cols) {
        throw ValueError("y has " + std::to_string(samples.targets.rows) + " rows of " +
                         std::to_string(samples.targets.cols) + " values, expected " +
                         std::to_string(samples.x.rows) + " rows of " + std::to_string(cols));
      }
      return;
    }
    const Index labels = samples.x.rows * shape.rows;
    for (Index i = 0; i < labels; ++i) {
      if (loss->ignores_class && samples.labels[i] == loss->ignore_class) continue;
      if (samples.labels[i] < 0 || samples.labels[i] >= shape.cols) {
        throw ValueError("y has the label " + std::to_string(samples.labels[i]) + " at index " +
                         std::to_string(i) + ", but the output has " + std::to_string(shape.cols) +
                         " classes: labels run from 0 to " + std::to_string(shape.cols - 1));
      }
    }
  }

  // Adds one batch's losses and metrics, in an order of its rows that is always the same.
  void count(const nn::Plan<T>& plan, const nn::Context<T>& context, Totals& totals) const {
    const nn::LossBuffers& losses = plan.losses;
    const double rows_per_sample = static_cast<double>(plan.rows) / static_cast<double>(plan.batch);
    const auto sum = [&](nn::BufferId id) {
      if (id == nn::no_buffer) return 0.0;
      return runtime::kernel_table().weighted_sum(context.template at<double>(id), nullptr,
                                                  plan.rows);
    };
    const double loss_sum = sum(losses.row_losses);
    if (loss->reduction == Reduction::sum) {
      // The loss of a step is a sum over its samples, that of a pass the mean over its steps.
      totals.loss += loss_sum * static_cast<double>(plan.batch);
      totals.weight += static_cast<double>(plan.batch);
    } else {
      totals.loss += loss_sum / rows_per_sample;
      totals.weight += *context.template at<double>(losses.divisor) / rows_per_sample;
    }
    totals.samples += plan.batch;
    totals.correct += static_cast<double>(equal_classes(plan, context)) / rows_per_sample;
    totals.binary_correct += sum(losses.matches) / rows_per_sample;
    totals.squared_error += sum(losses.squared_errors) / rows_per_sample;
    totals.absolute_error += sum(losses.absolute_errors) / rows_per_sample;
  }

  static Index equal_classes(const nn::Plan<T>& plan, const nn::Context<T>& context) {
    if (plan.losses.predicted == nn::no_buffer) return 0;
    const auto* predicted = context.template at<std::int32_t>(plan.losses.predicted);
    const auto* expected = context.template at<std::int32_t>(plan.losses.expected);
    Index equal = 0;
    for (Index i = 0; i < plan.rows; ++i) equal += predicted[i] == expected[i] ? 1 : 0;
    return equal;
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
std::unique_ptr<Network<T>> Network<T>::frozen(std::optional<Precision> precision) const {
  const std::shared_lock lock(state_->parameters);
  return std::make_unique<Network>(state_->graph.frozen(precision), state_->output);
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
void Network<T>::compile(const OptimizerSpec& optimizer, const LossSpec& loss,
                         const MetricSpec& metrics, const std::vector<UpdateOptions>& options) {
  State& state = *state_;
  check_loss(loss, output_shape().cols);
  if (loss.reduction == Reduction::none) {
    throw ValueError("training needs a loss that is one number: reduction must not be None");
  }
  if (state.graph.is_frozen()) throw ValueError("a frozen network cannot be trained");
  if (!options.empty() && options.size() != state.trainable.size()) {
    throw ValueError(std::to_string(options.size()) + " options for " +
                     std::to_string(state.trainable.size()) + " trainable parameters");
  }
  const std::unique_lock lock(state.parameters);
  std::vector<OptimizedArray<T>> arrays;
  for (std::size_t i = 0; i < state.trainable.size(); ++i) {
    const Parameter<T>& parameter = *state.trainable[i];
    arrays.push_back(
        {parameter.data(), parameter.shape(), options.empty() ? UpdateOptions{} : options[i]});
  }
  state.optimizer = std::make_shared<nn::Optimizer<T>>(optimizer, std::move(arrays));
  state.loss = loss;
  // Errors are between an output and its own target.
  state.metrics = target_cols(loss, 2) == 2 ? metrics : MetricSpec{false, false, false};
  state.gradient_memory = base::AlignedBuffer<T>(state.optimizer->size());
  state.gradient_memory.zero();
  state.gradients = {};
  for (std::size_t i = 0; i < state.trainable.size(); ++i) {
    state.gradients.parameters.push_back(state.trainable[i].get());
    state.gradients.gradients.push_back(state.gradient_memory.data() + state.optimizer->offset(i));
  }
  state.plans.clear();
}

template <class T>
void Network<T>::set_learning_rate(double learning_rate) {
  if (const auto known = optimizer()) known->set_learning_rate(learning_rate);
}

template <class T>
std::uint64_t Network<T>::step() const {
  const std::shared_lock lock(state_->parameters);
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
  const std::shared_lock lock(state_->parameters);
  return state_->optimizer;
}

template <class T>
void Network<T>::finalize() {
  const std::unique_lock lock(state_->parameters);
  if (!state_->optimizer) return;
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) state_->optimizer->finalize(i);
}

template <class T>
Totals Network<T>::train(const Samples& samples, Index batch_size, const Progress& progress) {
  state_->check_samples(samples);
  const auto step = [&](Index first, Index batch, Totals& totals) {
    const std::unique_lock lock(state_->parameters);
    nn::PlanLease<T> lease = state_->lease(batch, Mode::train);
    const nn::Context<T> context = state_->context(lease, samples, first);
    nn::Optimizer<T>& optimizer = *state_->optimizer;
    const auto& gradients = state_->gradients.gradients;
    optimizer.begin_step({gradients.begin(), gradients.end()}, num_threads());
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
