// Networks in training: losses, steps, gradients and evaluation.
#include <algorithm>
#include <cmath>

#include "nn/batches.hpp"
#include "nn/network_state.hpp"
#include "nn/plan_builder.hpp"

namespace unitgain {

using nn::for_each_batch;

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
  state.plan_loss = &nn::compute_loss<T>;
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
  state_->plan_loss = whole.state_->plan_loss;
  state_->step = whole.state_->step.load();
  state_->distribution = whole.state_->distribution;
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
  const Index bytes =
      nn::make_plan<T>({state.graph, state.outputs, batch, mode, state.losses, state.gradients,
                        num_threads(), float32_matmul_precision(), state.plan_loss})
          .arena_bytes;
  if (!training) return bytes;
  return bytes + state.optimizer->bytes() +
         state.gradient_memory.size() * static_cast<Index>(sizeof(T));
}

template <class T>
void Network<T>::finalize() {
  const nn::StepLock lock(*state_);
  if (!state_->optimizer) return;
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) state_->optimizer->finalize(i);
}

template <class T>
TrainingPass Network<T>::training_pass(const Samples& samples, Index batch_size, Totals before) {
  State* const state = state_.get();
  state->check_samples(samples);
  nn::check_batch_size(batch_size);
  const auto take_step = [state, samples](Index first, Index batch, Totals& totals,
                                          Signals* signals) {
    const nn::StepLock lock(*state);
    nn::PlanLease<T> lease = state->lease(batch, Mode::train);
    const nn::Context<T> context = state->context(lease, samples, first);
    nn::Optimizer<T>& optimizer = *state->optimizer;
    const nn::StepLock lock_of_optimizer(optimizer);
    std::vector<std::vector<T>> old_weights;
    if (signals != nullptr) {
      state->measure(samples, first, batch, Mode::monitor, *signals);
      old_weights = state->copies();
    }
    const auto& gradients = state->gradients.gradients;
    state->clear_unwritten();
    optimizer.begin_step({gradients.begin(), gradients.end()}, num_threads(), gradients.data());
    lease.run(context, [&](const runtime::Team& team) { optimizer.update(team); });
    ++state->step;
    state->count(lease.plan(), context, optimizer.penalty(), totals);
    totals.diverged = samples.stops_at_nan && !std::isfinite(totals.loss + totals.penalty);
    optimizer.finish_step();
    if (signals != nullptr) state->measure_update(old_weights, *signals);
    state->add_custom_metrics(lease.plan(), context, totals);
  };
  const auto step = [take_step, monitor = signal_monitor(),
                     steps_before = iterations() - before.batches](Index first, Index batch,
                                                                   Totals& totals) {
    const std::int64_t iteration = steps_before + totals.batches;
    if (monitor.every == 0 || iteration % monitor.every != 0) {
      return take_step(first, batch, totals, nullptr);
    }
    Signals signals;
    take_step(first, batch, totals, &signals);
    monitor.tell(signals, iteration);
  };
  const auto work = [state, batch = std::min(batch_size, samples.count)] {
    const std::shared_lock lock(state->steps());
    return state->lease(batch, Mode::train).plan().work;
  };
  state->begin_metrics(before);
  return {samples.count, batch_size, step, work, std::move(before)};
}

template <class T>
Totals Network<T>::train(const Samples& samples, Index batch_size, const Progress& progress,
                         Totals before) {
  if (state_->distribution) {
    state_->check_samples(samples);
    nn::check_batch_size(batch_size);
    return state_->train_shared_out(samples, batch_size, progress, before, signal_monitor());
  }
  TrainingPass pass = training_pass(samples, batch_size, std::move(before));
  return for_each_batch(pass.count, batch_size, progress, std::move(pass.totals), pass.step);
}

template <class T>
Totals Network<T>::evaluate(const Samples& samples, Index batch_size, const Progress& progress,
                            Totals before) const {
  state_->check_samples(samples);
  if (state_->distribution && !progress.every_batch) {
    nn::check_batch_size(batch_size);
    return state_->evaluate_shared_out(samples, batch_size, progress, std::move(before));
  }
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

#define UNITGAIN_INSTANTIATE(T)                                                               \
  template void Network<T>::compile(const OptimizerSpec&, const std::vector<OutputLoss>&,     \
                                    const std::vector<UpdateOptions>&);                       \
  template void Network<T>::continue_training(const Network&);                                \
  template void Network<T>::set_options(const std::vector<UpdateOptions>&);                   \
  template Index Network<T>::memory(Index, bool) const;                                       \
  template void Network<T>::finalize();                                                       \
  template TrainingPass Network<T>::training_pass(const Samples&, Index, Totals);             \
  template Totals Network<T>::train(const Samples&, Index, const Progress&, Totals);          \
  template Totals Network<T>::evaluate(const Samples&, Index, const Progress&, Totals) const; \
  template Totals Network<T>::gradients(const Samples&, const std::vector<T*>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
