// Networks whose training is shared out over processes.
#include <cmath>
#include <map>

#include "nn/batches.hpp"
#include "nn/distributed.hpp"

namespace unitgain {

template <class T>
void Network<T>::distribute(std::optional<Distribution> distribution) {
  if (distribution) {
    const int processes = distribution->communicator ? distribution->communicator->size() : 1;
    if (distribution->blocks < processes) {
      throw ValueError(std::to_string(distribution->blocks) + " blocks are fewer than " +
                       std::to_string(processes) + " processes");
    }
  }
  const nn::StepLock lock(*state_);
  state_->distribution = std::move(distribution);
  state_->distributed = nullptr;
}

template <class T>
std::shared_ptr<nn::Distributed<T>> Network<T>::State::shared_out() {
  if (distributed == nullptr) {
    distributed = std::make_shared<nn::Distributed<T>>(*distribution, *this);
  }
  return distributed;
}

template <class T>
Totals Network<T>::State::train_shared_out(const Samples& samples, Index batch_size,
                                           const Progress& progress, const Totals& before,
                                           const SignalMonitor& signal_monitor) {
  const auto held = shared_out();  // a callback may end the distribution
  nn::Distributed<T>& shared = *held;
  Totals empty;
  begin_metrics(empty);
  std::map<Index, nn::BlockTotals> by_blocks;  // as a pass's last batch may have fewer
  const auto totals_of = [&](Index blocks) -> nn::BlockTotals& {
    return by_blocks.try_emplace(blocks, blocks, shared.own(blocks), empty).first->second;
  };
  // Where a step's sums are asked for, those of all processes; else those of this one.
  const bool each = progress.every_batch || samples.stops_at_nan;
  const std::int64_t steps_before = optimizer->iterations() - before.batches;
  const auto take_step = [&](Index first, Index batch, Totals& totals) {
    const Index blocks = shared.blocks(batch);
    nn::BlockTotals of_step(blocks, shared.own(blocks), empty);
    const std::int64_t iteration = steps_before + totals.batches;
    if (signal_monitor.every != 0 && iteration % signal_monitor.every == 0) {
      Signals signals;
      std::vector<std::vector<T>> old_weights;
      {
        const nn::StepLock lock(*this);
        measure(samples, first, batch, Mode::monitor, signals);
        old_weights = copies();
      }
      shared.step(samples, first, batch, of_step);
      {
        const nn::StepLock lock(*this);
        measure_update(old_weights, signals);
      }
      signal_monitor.tell(signals, iteration);
    } else {
      shared.step(samples, first, batch, of_step);
    }
    const nn::Range own = shared.own(blocks);
    nn::BlockTotals& of_pass = totals_of(blocks);  // of all processes, those without a block, too
    for (Index block = own.begin; block < own.end; ++block) {
      nn::add_totals(losses, of_step.of(block), of_pass.of(block));
      if (!each) nn::add_totals(losses, of_step.of(block), totals);
    }
    if (!each) return;
    nn::add_totals(losses, of_step.sum(shared.communicator(), losses, empty), totals);
    totals.diverged = samples.stops_at_nan && !std::isfinite(totals.loss + totals.penalty);
  };
  Totals begun = before;
  begin_metrics(begun);
  const Index count = samples.whole != 0 ? samples.whole : samples.count;
  Totals end = nn::for_each_batch(count, batch_size, progress, begun, take_step);
  for (const auto& [blocks, totals] : by_blocks) {
    nn::add_totals(losses, totals.sum(shared.communicator(), losses, empty), begun);
  }
  begun.batches = end.batches;
  begun.diverged = end.diverged;
  return begun;
}

template <class T>
Totals Network<T>::State::evaluate_shared_out(const Samples& samples, Index batch_size,
                                              const Progress& progress, Totals before) {
  const auto held = shared_out();  // a callback may end the distribution
  nn::Distributed<T>& shared = *held;
  const double penalty = [&] {
    const std::shared_lock lock(steps());
    return optimizer->measure_penalty(num_threads());
  }();
  begin_metrics(before);
  if (samples.count == 0) return before;
  Totals empty;
  begin_metrics(empty);
  const Index blocks = shared.blocks(samples.count);
  const nn::Range own = shared.own(blocks);
  nn::BlockTotals totals(blocks, own, empty);
  for (Index block = own.begin; block < own.end; ++block) {
    const nn::Range rows = nn::rows_of(block, blocks, samples.count);
    totals.of(block) = nn::for_each_batch(
        rows.size(), batch_size, progress, std::move(totals.of(block)),
        [&](Index first, Index batch, Totals& sums) {
          const std::shared_lock lock(steps());
          nn::PlanLease<T> lease = this->lease(batch, Mode::evaluate);
          const nn::Context<T> context = this->context(lease, samples, rows.begin + first);
          lease.run(context);
          count(lease.plan(), context, penalty, sums);
          add_custom_metrics(lease.plan(), context, sums);
        });
  }
  nn::add_totals(losses, totals.sum(shared.communicator(), losses, empty), before);
  before.batches += (samples.count + batch_size - 1) / batch_size;
  return before;
}

#define UNITGAIN_INSTANTIATE(T)                                                                  \
  template void Network<T>::distribute(std::optional<Distribution>);                             \
  template std::shared_ptr<nn::Distributed<T>> Network<T>::State::shared_out();                  \
  template Totals Network<T>::State::train_shared_out(const Samples&, Index, const Progress&,    \
                                                      const Totals&, const SignalMonitor&);      \
  template Totals Network<T>::State::evaluate_shared_out(const Samples&, Index, const Progress&, \
                                                         Totals)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
