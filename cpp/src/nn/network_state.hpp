// The state of a network, shared by the files that implement it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <shared_mutex>

#include "nn/graph_queries.hpp"
#include "nn/optimizer.hpp"
#include "nn/plan_cache.hpp"
#include "nn/steps.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

using nn::Mode;

template <class T>
struct Network<T>::State : nn::Stepped {
  State(Graph<T> network, std::vector<NodeId> network_outputs)
      : graph(std::move(network)),
        inputs(nn::input_nodes(graph)),
        outputs(std::move(network_outputs)),
        trainable(nn::trainable_parameters(graph, std::vector(graph.nodes().size(), true))) {
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
  // Null before compile(), so that a program without it is linked without losses and metrics.
  nn::LossPlanner<T> plan_loss = nullptr;
  std::shared_ptr<nn::Optimizer<T>> optimizer;
  base::AlignedBuffer<T> gradient_memory;
  nn::ParameterGradients<T> gradients;
  // Gradients that no loss writes: 0, but for the penalties that a step leaves in them.
  std::vector<std::span<T>> unwritten;
  // The stream of the random numbers of the next training step, or of another run that draws some.
  std::atomic<std::uint64_t> step = 0;
  SignalMonitor monitor;

  // Of training that is shared out over processes: made when it is used first.
  std::optional<Distribution> distribution;
  std::shared_ptr<nn::Distributed<T>> distributed;

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
    distributed = nullptr;
  }

  nn::PlanLease<T> lease(Index batch, Mode mode, bool is_block = false) {
    const int threads = num_threads();
    const Precision precision = float32_matmul_precision();
    nn::PlanKey key{batch, mode, threads, precision};
    key.is_block = is_block;
    return plans->lease(key, [&] {
      const nn::ParameterGradients<T> none;
      const auto& wanted = nn::trains(mode) ? gradients : none;
      return nn::make_plan<T>(
          {graph, outputs, batch, mode, losses, wanted, threads, precision, plan_loss, is_block});
    });
  }

  nn::Context<T> context(nn::PlanLease<T>& lease, const Samples& samples, Index first) {
    nn::Context<T> context = lease.context();
    context.samples = &samples;
    context.first = first;
    const bool goes_on = lease.plan().draws && !nn::draws(lease.plan().mode);
    context.step = goes_on ? step.fetch_add(1) : step.load();
    context.update_statistics = true;
    context.whole = lease.plan().batch;
    context.blocks = 1;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      lease.set_input(i, direct_input(samples, samples.x[i], first, lease.plan().batch));
    }
    return context;
  }

  // The batch where it lies, if it can be read there.
  static const T* direct_input(const Samples& samples, const SampleArray& x, Index first,
                               Index batch);

  void find_unwritten() {
    std::vector<NodeId> goals;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (losses[i].loss) goals.push_back(outputs[i]);
    }
    const auto written = nn::trainable_parameters(graph, nn::ancestors(graph, goals));
    unwritten.clear();
    for (std::size_t i = 0; i < trainable.size(); ++i) {
      if (std::find(written.begin(), written.end(), trainable[i]) != written.end()) continue;
      unwritten.push_back({gradients.gradients[i], static_cast<std::size_t>(trainable[i]->size())});
    }
  }

  void clear_unwritten() {
    for (const std::span<T> gradient : unwritten) std::fill(gradient.begin(), gradient.end(), T{0});
  }

  // network_checks.cpp: ValueError for what does not fit the network.
  void check_count(const std::vector<UpdateOptions>& options) const;
  void check_inputs(std::span<const SampleArray> x) const;
  void check_samples(const Samples& samples) const;
  void check_target(const Samples& samples, std::size_t output) const;
  void check_metrics(const OutputLoss& output, Index cols) const;
  void check_differentiable() const;

  // network_gradients.cpp: the gradients at the inputs of one batch.
  void explain(const Samples& samples, Index first, Index batch, std::span<const T* const> upstream,
               std::span<T* const> gradients);

  // network_totals.cpp
  // Adds one batch's losses, metrics and penalties.
  void count(const nn::Plan<T>& plan, const nn::Context<T>& context, double penalty,
             Totals& totals) const;
  // Adds one batch's losses and metrics of one output, in an order of its rows that is always the
  // same.
  void count(const nn::Plan<T>& plan, const nn::Context<T>& context, std::size_t output,
             double weight, Totals& totals) const;
  void begin_metrics(Totals& totals) const;

  // network_distribution.cpp: what train() and evaluate() do of a network that is distributed.
  std::shared_ptr<nn::Distributed<T>> shared_out();
  Totals train_shared_out(const Samples& samples, Index batch_size, const Progress& progress,
                          const Totals& before, const SignalMonitor& signal_monitor);
  Totals evaluate_shared_out(const Samples& samples, Index batch_size, const Progress& progress,
                             Totals before);

  // network_signals.cpp
  void measure(const Samples& samples, Index first, Index batch, Mode mode, Signals& signals);
  std::vector<std::vector<T>> copies() const;  // of what is trained
  // The norms of what a step has changed since those copies; `before` is overwritten.
  void measure_update(std::vector<std::vector<T>>& before, Signals& signals);

  // The metrics that the embedding program, or Python, sums up.
  void add_custom_metrics(const nn::Plan<T>& plan, const nn::Context<T>& context,
                          Totals& totals) const;
};

}  // namespace unitgain
