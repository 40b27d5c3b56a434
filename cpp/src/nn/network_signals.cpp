// The signals of networks: of one batch, and of steps of training.
#include "nn/network_state.hpp"
#include "nn/probe.hpp"
#include "ops/norm.hpp"

namespace unitgain {

namespace {

template <class T>
double norm(const T* x, Index n) {
  std::vector<double> blocks;
  for (Index first = 0; first < n; first += ops::norm_block) {
    blocks.push_back(ops::block_norm(x + first, std::min(ops::norm_block, n - first)));
  }
  return ops::combined_norm(blocks.data(), std::ssize(blocks));
}

}  // namespace

template <class T>
void Network<T>::State::measure(const Samples& samples, Index first, Index batch, Mode mode,
                                Signals& signals) {
  nn::PlanLease<T> lease = this->lease(batch, mode);
  nn::Context<T> context = this->context(lease, samples, first);
  context.update_statistics = false;
  clear_unwritten();
  lease.run(context);
  Totals totals;
  count(lease.plan(), context, 0, totals);
  signals.loss = totals.weight > 0 ? totals.loss / totals.weight : 0;
  signals.nodes = nn::read_probes(lease.plan(), context);
  for (std::size_t i = 0; i < trainable.size(); ++i) {
    const Index size = trainable[i]->size();
    signals.parameters.push_back(
        {norm(gradients.gradients[i], size), norm(trainable[i]->data(), size)});
  }
}

template <class T>
std::vector<std::vector<T>> Network<T>::State::copies() const {
  std::vector<std::vector<T>> found;
  for (const auto& parameter : trainable) {
    found.emplace_back(parameter->data(), parameter->data() + parameter->size());
  }
  return found;
}

template <class T>
void Network<T>::State::measure_update(std::vector<std::vector<T>>& before, Signals& signals) {
  for (std::size_t i = 0; i < trainable.size(); ++i) {
    for (std::size_t j = 0; j < before[i].size(); ++j) before[i][j] -= trainable[i]->data()[j];
    signals.parameters[i].update = norm(before[i].data(), std::ssize(before[i]));
  }
}

template <class T>
Signals Network<T>::signals(const Samples& samples, const std::vector<T*>& gradients) {
  state_->check_samples(samples);
  if (samples.count == 0) throw ValueError("x has no rows");
  const nn::StepLock lock(*state_);
  const nn::StepLock lock_of_optimizer(*state_->optimizer);
  Signals signals;
  state_->measure(samples, 0, samples.count, Mode::probe, signals);
  for (std::size_t i = 0; i < state_->trainable.size(); ++i) {
    std::copy_n(state_->gradients.gradients[i], state_->trainable[i]->size(), gradients[i]);
  }
  return signals;
}

template <class T>
void Network<T>::monitor(SignalMonitor monitor) {
  if (monitor.every < 0 || (monitor.every > 0 && !monitor.tell)) {
    throw ValueError("every must be at least 0, and there must be something to tell");
  }
  exclusively([&] { state_->monitor = std::move(monitor); });
}

template <class T>
SignalMonitor Network<T>::signal_monitor() const {
  const std::shared_lock lock(state_->steps());
  return state_->monitor;
}

#define UNITGAIN_INSTANTIATE(T)                                                            \
  template void Network<T>::State::measure(const Samples&, Index, Index, Mode, Signals&);  \
  template std::vector<std::vector<T>> Network<T>::State::copies() const;                  \
  template void Network<T>::State::measure_update(std::vector<std::vector<T>>&, Signals&); \
  template Signals Network<T>::signals(const Samples&, const std::vector<T*>&);            \
  template void Network<T>::monitor(SignalMonitor);                                        \
  template SignalMonitor Network<T>::signal_monitor() const
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
