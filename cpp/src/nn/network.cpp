#include "unitgain/network.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <shared_mutex>

#include "nn/metrics.hpp"
#include "nn/node.hpp"
#include "nn/optimizer.hpp"
#include "nn/plan_cache.hpp"
#include "nn/steps.hpp"
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
  bool operator()(const Totals& totals) {
    if (!progress_.tell) return true;
    if (!progress_.every_batch && Clock::now() - last_ < progress_interval) return true;
    const bool go_on = progress_.tell(totals);
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
Totals for_each_batch(Index count, Index batch_size, const Progress& progress, Totals totals,
                      Body&& body) {
  if (batch_size < 1) {
    throw ValueError("batch_size must be at least 1, but it is " + std::to_string(batch_size));
  }
  Ticker tick(progress);
  for (Index first = 0; first < count; first += batch_size) {
    body(first, std::min(batch_size, count - first), totals);
    ++totals.batches;
    if (!tick(totals) || totals.diverged) break;
  }
  return totals;
}

// Of the nodes that are used.
template <class T>
std::vector<ParameterPtr<T>> trainable_parameters(const Graph<T>& graph,
                                                  const std::vector<bool>& used) {
  std::vector<ParameterPtr<T>> found;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node<T>& node = graph.nodes()[i];
    if (!node.trainable || !used[i]) continue;
    for (const ParameterPtr<T>& parameter : node.operation->trained()) {
      if (std::find(found.begin(), found.end(), parameter) == found.end()) {
        found.push_back(parameter);
      }
    }
  }
  return found;
}

// Whether each node leads to one of these.
template <class T>
std::vector<bool> ancestors(const Graph<T>& graph, const std::vector<NodeId>& nodes) {
  std::vector<bool> used(graph.nodes().size());
  for (const NodeId id : nodes) used[static_cast<std::size_t>(id)] = true;
  for (std::size_t i = used.size(); i-- > 0;) {
    if (!used[i]) continue;
    for (const NodeId input : graph.nodes()[i].inputs) used[static_cast<std::size_t>(input)] = true;
  }
  return used;
}

template <class T>
std::vector<NodeId> input_nodes(const Graph<T>& graph) {
  std::vector<NodeId> found;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    if (graph.node(id).operation->role() == nn::Role::input) found.push_back(id);
  }
  if (found.empty()) throw ValueError("the graph has no input");
  return found;
}

// "x" of a network with one input, "x[1]" of one with several.
std::string name_of(const char* name, std::size_t which, std::size_t count) {
  std::string text = name;
  if (count > 1) text.append("[").append(std::to_string(which)).append("]");
  return text;
}

template <class T>
constexpr ElementType element_type =
    sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;

}  // namespace

template <class T>
struct Network<T>::State : nn::Stepped {
  State(Graph<T> network, std::vector<NodeId> network_outputs)
      : graph(std::move(network)),
        inputs(input_nodes(graph)),
        outputs(std::move(network_outputs)),
        trainable(trainable_parameters(graph, std::vector(graph.nodes().size(), true))) {
    if (outputs.empty()) throw ValueError("a network needs outputs");
    for (const NodeId output : outputs) graph.node(output);  // throws if there is none
    std::vector<const void*> memory;
    if (!graph.is_frozen()) {
      for (const auto& parameter : graph.parameters()) memory.push_back(parameter->data());
    }
    enlist(std::move(memory));
  }
  ~State() override { withdraw(); }

  Graph<T> graph;
  std::vector<NodeId> inputs, outputs;
  std::vector<ParameterPtr<T>> trainable;
  std::unique_ptr<nn::PlanCache<T>> plans = std::make_unique<nn::PlanCache<T>>();

  std::vector<OutputLoss> losses;  // of each output; none before compile()
  std::shared_ptr<nn::Optimizer<T>> optimizer;
  base::AlignedBuffer<T> gradient_memory;
  nn::ParameterGradients<T> gradients;
  // Gradients that no loss writes: 0, but for the penalties that a step leaves in them.
  std::vector<std::span<T>> unwritten;
  // The stream of the random numbers of the next training step, or of another run that draws some.
  std::atomic<std::uint64_t> step = 0;

  // The optimizer renews its own. Plans that another thread had in hand are left to it.
  void renew_locks() override {
    static_cast<void>(plans.release());
    plans = std::make_unique<nn::PlanCache<T>>();
  }

  // After a change of the optimizer or the losses.
  void prepare_training() {
    gradient_memory = base::AlignedBuffer<T>(optimizer->size(), "the gradients");
    gradient_memory.zero();
    gradients = {};
    for (std::size_t i = 0; i < trainable.size(); ++i) {
      gradients.parameters.push_back(trainable[i].get());
      gradients.gradients.push_back(gradient_memory.data() + optimizer->offset(i));
    }
    find_unwritten();
    plans->clear();
  }

  nn::PlanLease<T> lease(Index batch, Mode mode) {
    const int threads = num_threads();
    const Precision precision = float32_matmul_precision();
    return plans->lease(batch, mode, threads, precision, [&] {
      return nn::make_plan<T>({graph, outputs, batch, mode, losses, gradients, threads, precision});
    });
  }

  nn::Context<T> context(nn::PlanLease<T>& lease, const Samples& samples, Index first) {
    nn::Context<T> context = lease.context();
    context.samples = &samples;
    context.first = first;
    const bool goes_on = lease.plan().draws && !nn::draws(lease.plan().mode);
    context.step = goes_on ? step.fetch_add(1) : step.load();
    context.update_statistics = true;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      lease.set_input(i, direct_input(samples, samples.x[i], first, lease.plan().batch));
    }
    return context;
  }

  // The batch where it lies, if it can be read there.
  static const T* direct_input(const Samples& samples, const SampleArray& x, Index first,
                               Index batch) {
    constexpr auto size = static_cast<Index>(sizeof(T));
    if (samples.mix.kind != Mixing::none) return nullptr;
    const bool contiguous = x.type == element_type<T> && (x.cols <= 1 || x.col_stride == size) &&
                            (batch <= 1 || x.row_stride == x.cols * size);
    if (samples.order != nullptr || !contiguous) return nullptr;
    return reinterpret_cast<const T*>(static_cast<const std::byte*>(x.data) + first * x.row_stride);
  }

  void find_unwritten() {
    std::vector<NodeId> goals;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (losses[i].loss) goals.push_back(outputs[i]);
    }
    const auto written = trainable_parameters(graph, ancestors(graph, goals));
    unwritten.clear();
    for (std::size_t i = 0; i < trainable.size(); ++i) {
      if (std::find(written.begin(), written.end(), trainable[i]) != written.end()) continue;
      unwritten.push_back({gradients.gradients[i], static_cast<std::size_t>(trainable[i]->size())});
    }
  }

  void clear_unwritten() {
    for (const std::span<T> gradient : unwritten) std::fill(gradient.begin(), gradient.end(), T{0});
  }

  void check_count(const std::vector<UpdateOptions>& options) const {
    if (options.size() == trainable.size()) return;
    throw ValueError(std::to_string(options.size()) + " options for " +
                     std::to_string(trainable.size()) + " trainable parameters");
  }

  void check_inputs(std::span<const SampleArray> x) const {
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

  void check_samples(const Samples& samples) const {
    check_inputs(samples.x);
    if (losses.empty()) throw ValueError("the network has no loss: compile it first");
    if (samples.y.size() != outputs.size()) {
      throw ValueError("y has " + std::to_string(samples.y.size()) +
                       " arrays, but the network has " + std::to_string(outputs.size()) +
                       " outputs");
    }
    check_mix(samples);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (losses[i].loss) check_target(samples, i);
    }
  }

  void check_target(const Samples& samples, std::size_t output) const {
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
        throw ValueError(name + " has the label " + std::to_string(target.labels[i]) +
                         " at index " + std::to_string(i) + ", but the output has " +
                         std::to_string(shape.cols) + " classes: labels run from 0 to " +
                         std::to_string(shape.cols - 1));
      }
    }
  }

  // Adds one batch's losses, metrics and penalties.
  void count(const nn::Plan<T>& plan, const nn::Context<T>& context, double penalty,
             Totals& totals) const {
    totals.penalty += penalty * static_cast<double>(plan.batch);
    for (const nn::ActivityBuffer& activity : plan.activities) {
      const double* sums = context.template at<double>(activity.sums);
      double absolute = 0, squares = 0;
      for (Index i = 0; i < activity.blocks; ++i) {
        absolute += sums[2 * i];
        squares += sums[2 * i + 1];
      }
      // A factor of 0 takes no part, even of infinite values.
      if (activity.l1 != 0) totals.penalty += activity.l1 * absolute;
      if (activity.l2 != 0) totals.penalty += activity.l2 * squares;
    }
    if (outputs.size() == 1) return count(plan, context, 0, losses[0].weight, totals);
    totals.samples += plan.batch;
    totals.outputs.resize(outputs.size());
    totals.loss = 0;
    totals.weight = 1;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      Totals& part = totals.outputs[i];
      count(plan, context, i, 1, part);
      if (part.weight > 0) totals.loss += losses[i].weight * (part.loss / part.weight);
    }
  }

  // Adds one batch's losses and metrics of one output, in an order of its rows that is always the
  // same.
  void count(const nn::Plan<T>& plan, const nn::Context<T>& context, std::size_t output,
             double weight, Totals& totals) const {
    const nn::LossBuffers& buffers = plan.losses[output];
    totals.samples += plan.batch;
    if (buffers.rows == 0) return;
    const double rows_per_sample =
        static_cast<double>(buffers.rows) / static_cast<double>(plan.batch);
    const double loss_sum = runtime::kernel_table().weighted_sum(
        context.template at<double>(buffers.row_losses), nn::row_weights(context, buffers, output),
        buffers.rows);
    if (losses[output].loss->reduction == Reduction::sum) {
      // The loss of a step is a sum over its samples, that of a pass the mean over its steps.
      totals.loss += weight * loss_sum * static_cast<double>(plan.batch);
      totals.weight += static_cast<double>(plan.batch);
    } else {
      totals.loss += weight * loss_sum / rows_per_sample;
      totals.weight += *context.template at<double>(buffers.divisor) / rows_per_sample;
    }
    nn::add_metrics(context, losses[output].metrics, buffers, output, totals);
  }

  void begin_metrics(Totals& totals) const {
    std::vector<Index> cols;
    for (const NodeId output : outputs) cols.push_back(graph.node(output).shape.cols);
    nn::begin_metrics(losses, cols, totals);
  }

  // The metrics that the embedding program, or Python, sums up.
  void add_custom_metrics(const nn::Plan<T>& plan, const nn::Context<T>& context,
                          Totals& totals) const {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      nn::add_custom_metrics(context, losses[i].metrics, plan.losses[i], i,
                             outputs.size() > 1 ? totals.outputs[i] : totals);
    }
  }

  void check_metrics(const OutputLoss& output, Index cols) const {
    for (const MetricSpec& metric : output.metrics) {
      check_metric(metric, cols);
      if (metric.kind == MetricKind::custom) continue;
      const bool takes_labels = loss_info(output.loss->kind).takes_labels;
      if (metric.takes_labels != takes_labels || target_cols(*output.loss, 2) != 2) {
        throw ValueError("a metric needs other targets than its output's loss");
      }
    }
  }
};

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
std::unique_ptr<Network<T>> Network<T>::frozen(std::optional<Precision> precision) const {
  const std::shared_lock lock(state_->steps());
  return std::make_unique<Network>(state_->graph.frozen(precision), state_->outputs);
}

template <class T>
void Network<T>::forward(std::span<const SampleArray> x, std::span<T* const> y) {
  state_->check_inputs(x);
  const Index rows = x[0].rows;
  if (rows == 0) return;
  const Samples samples{.x = x, .count = rows};
  const nn::StepLock lock(*state_);
  nn::PlanLease<T> lease = state_->lease(rows, Mode::forward);
  const nn::Context<T> context = state_->context(lease, samples, 0);
  for (std::size_t i = 0; i < y.size(); ++i) lease.set_output(i, y[i]);
  lease.run(context);
  ++state_->step;
}

template <class T>
void Network<T>::spread(std::span<const SampleArray> x, Index passes, Index batch_size,
                        std::span<T* const> mean, std::span<T* const> deviation) {
  state_->check_inputs(x);
  if (passes < 1)
    throw ValueError("passes must be at least 1, but they are " + std::to_string(passes));
  const Samples samples{.x = x, .count = x[0].rows};
  for_each_batch(samples.count, batch_size, {}, {}, [&](Index first, Index batch, Totals&) {
    std::vector<std::vector<T>> values;
    std::vector<std::vector<double>> means, squares;  // Welford's sums
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const auto size = static_cast<std::size_t>(batch * output_shape(i).size());
      values.emplace_back(size);
      means.emplace_back(size);
      squares.emplace_back(size);
    }
    for (Index pass = 0; pass < passes; ++pass) {
      const nn::StepLock lock(*state_);
      nn::PlanLease<T> lease = state_->lease(batch, Mode::sample);
      const nn::Context<T> context = state_->context(lease, samples, first);
      for (std::size_t i = 0; i < mean.size(); ++i) lease.set_output(i, values[i].data());
      lease.run(context);
      ++state_->step;
      for (std::size_t i = 0; i < mean.size(); ++i) {
        for (std::size_t j = 0; j < values[i].size(); ++j) {
          const double value = static_cast<double>(values[i][j]), gap = value - means[i][j];
          means[i][j] += gap / static_cast<double>(pass + 1);
          squares[i][j] += gap * (value - means[i][j]);
        }
      }
    }
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const Index at = first * output_shape(i).size();
      for (std::size_t j = 0; j < values[i].size(); ++j) {
        mean[i][at + static_cast<Index>(j)] = static_cast<T>(means[i][j]);
        deviation[i][at + static_cast<Index>(j)] =
            static_cast<T>(std::sqrt(squares[i][j] / static_cast<double>(passes)));
      }
    }
  });
}

template <class T>
void Network<T>::predict(std::span<const SampleArray> x, std::span<T* const> y, Index batch_size,
                         const Progress& progress) const {
  state_->check_inputs(x);
  const Samples samples{.x = x, .count = x[0].rows};
  for_each_batch(samples.count, batch_size, progress, {},
                 [&](Index first, Index batch, Totals& totals) {
                   const std::shared_lock lock(state_->steps());
                   nn::PlanLease<T> lease = state_->lease(batch, Mode::infer);
                   const nn::Context<T> context = state_->context(lease, samples, first);
                   for (std::size_t i = 0; i < y.size(); ++i) {
                     lease.set_output(i, y[i] + first * output_shape(i).size());
                   }
                   lease.run(context);
                   totals.samples += batch;
                 });
}

template <class T>
bool Network<T>::predict_at_once(const SampleArray& x, T* y) const {
  constexpr double most_work = 8e3;  // in nanoseconds on one thread
  const std::shared_lock lock(state_->steps(), std::try_to_lock);
  if (!lock) return false;
  nn::PlanLease<T> lease = state_->lease(x.rows, Mode::infer);
  if (lease.plan().work > most_work || lease.plan().may_fail) return false;
  const Samples samples{.x = {&x, 1}, .count = x.rows};
  const nn::Context<T> context = state_->context(lease, samples, 0);
  lease.set_output(0, y);
  lease.run(context);
  return true;
}

template <class T>
void Network<T>::compile(const OptimizerSpec& optimizer, const std::vector<OutputLoss>& losses,
                         const std::vector<UpdateOptions>& options) {
  State& state = *state_;
  if (losses.size() != state.outputs.size()) {
    throw ValueError(std::to_string(losses.size()) + " losses for " +
                     std::to_string(state.outputs.size()) + " outputs");
  }
  bool any = false;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (!losses[i].loss) {
      if (losses[i].metrics.empty()) continue;
      throw ValueError("an output has metrics, but no loss");
    }
    any = true;
    check_loss(*losses[i].loss, output_shape(i).cols);
    if (!has_kernel(*losses[i].loss) && losses[i].custom == nullptr) {
      throw ValueError("a custom loss needs an object that computes it");
    }
    if (losses[i].loss->reduction == Reduction::none) {
      throw ValueError("training needs a loss that is one number: reduction must not be None");
    }
    state.check_metrics(losses[i], output_shape(i).cols);
  }
  if (!any) throw ValueError("training needs a loss at one output at least");
  if (state.graph.is_frozen()) throw ValueError("a frozen network cannot be trained");
  if (!options.empty()) state.check_count(options);
  const nn::StepLock lock(state);
  std::vector<OptimizedArray<T>> arrays;
  for (std::size_t i = 0; i < state.trainable.size(); ++i) {
    const Parameter<T>& parameter = *state.trainable[i];
    arrays.push_back(
        {parameter.data(), parameter.shape(), options.empty() ? UpdateOptions{} : options[i]});
  }
  state.optimizer = std::make_shared<nn::Optimizer<T>>(optimizer, std::move(arrays));
  state.losses = losses;
  state.prepare_training();
}

template <class T>
void Network<T>::continue_training(const Network& whole) {
  if (whole.trainable() != trainable()) {
    throw ValueError("the networks have different trainable parameters");
  }
  const std::shared_lock others(whole.state_->steps());
  const nn::StepLock lock(*state_);
  if (!whole.state_->optimizer) throw ValueError("the network has no loss: compile it first");
  state_->optimizer = whole.state_->optimizer;
  state_->losses = whole.state_->losses;
  state_->step = whole.state_->step.load();
  state_->prepare_training();
}

template <class T>
void Network<T>::set_options(const std::vector<UpdateOptions>& options) {
  state_->check_count(options);
  exclusively([&] {
    if (state_->optimizer) state_->optimizer->set_options(options);
  });
}

template <class T>
Index Network<T>::memory(Index batch, bool training) const {
  const std::shared_lock lock(state_->steps());
  const State& state = *state_;
  if (training && !state.optimizer) {
    throw ValueError("the network has no loss: compile it first");
  }
  const Mode mode = training ? Mode::train : Mode::infer;
  const Index bytes = nn::make_plan<T>({state.graph, state.outputs, batch, mode, state.losses,
                                        state.gradients, num_threads(), float32_matmul_precision()})
                          .arena_bytes;
  if (!training) return bytes;
  return bytes + state.optimizer->bytes() +
         state.gradient_memory.size() * static_cast<Index>(sizeof(T));
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

template <class T>
void Network<T>::finalize() {
  const nn::StepLock lock(*state_);
  if (!state_->optimizer) return;
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) state_->optimizer->finalize(i);
}

template <class T>
Totals Network<T>::train(const Samples& samples, Index batch_size, const Progress& progress,
                         Totals before) {
  state_->check_samples(samples);
  const auto step = [&](Index first, Index batch, Totals& totals) {
    const nn::StepLock lock(*state_);
    nn::PlanLease<T> lease = state_->lease(batch, Mode::train);
    const nn::Context<T> context = state_->context(lease, samples, first);
    nn::Optimizer<T>& optimizer = *state_->optimizer;
    const nn::StepLock lock_of_optimizer(optimizer);
    const auto& gradients = state_->gradients.gradients;
    state_->clear_unwritten();
    optimizer.begin_step({gradients.begin(), gradients.end()}, num_threads(), gradients.data());
    lease.run(context, [&](const runtime::Team& team) { optimizer.update(team); });
    ++state_->step;
    state_->count(lease.plan(), context, optimizer.penalty(), totals);
    totals.diverged = samples.stops_at_nan && !std::isfinite(totals.loss + totals.penalty);
    optimizer.finish_step();
    state_->add_custom_metrics(lease.plan(), context, totals);
  };
  state_->begin_metrics(before);
  return for_each_batch(samples.count, batch_size, progress, std::move(before), step);
}

template <class T>
Totals Network<T>::evaluate(const Samples& samples, Index batch_size, const Progress& progress,
                            Totals before) const {
  state_->check_samples(samples);
  const auto penalty = [&] {
    const std::shared_lock lock(state_->steps());
    return state_->optimizer->measure_penalty(num_threads());
  };
  const double penalty_of_all = penalty();
  const auto compare = [&](Index first, Index batch, Totals& totals) {
    const std::shared_lock lock(state_->steps());
    nn::PlanLease<T> lease = state_->lease(batch, Mode::evaluate);
    const nn::Context<T> context = state_->context(lease, samples, first);
    lease.run(context);
    state_->count(lease.plan(), context, penalty_of_all, totals);
    state_->add_custom_metrics(lease.plan(), context, totals);
  };
  state_->begin_metrics(before);
  return for_each_batch(samples.count, batch_size, progress, std::move(before), compare);
}

template <class T>
Totals Network<T>::gradients(const Samples& samples, const std::vector<T*>& gradients) {
  state_->check_samples(samples);
  Totals totals;
  if (samples.count == 0) throw ValueError("x has no rows");
  const nn::StepLock lock(*state_);
  nn::PlanLease<T> lease = state_->lease(samples.count, Mode::train);
  nn::Context<T> context = state_->context(lease, samples, 0);
  context.update_statistics = false;
  nn::Optimizer<T>& optimizer = *state_->optimizer;
  const nn::StepLock lock_of_optimizer(optimizer);
  const auto& own = state_->gradients.gradients;
  state_->clear_unwritten();
  optimizer.begin_penalties(num_threads());
  lease.run(context, [&](const runtime::Team& team) { optimizer.add_penalties(team, own.data()); });
  state_->count(lease.plan(), context, optimizer.penalty(), totals);
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) {
    std::copy_n(state_->gradients.gradients[i], state_->trainable[i]->size(), gradients[i]);
  }
  return totals;
}

template class Network<float>;
template class Network<double>;

}  // namespace unitgain
