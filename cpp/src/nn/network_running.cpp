// Networks in use: predictions, and runs in training mode that change no weights.
#include <algorithm>
#include <cmath>

#include "nn/batches.hpp"
#include "nn/network_state.hpp"

namespace unitgain {

using nn::for_each_batch;

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

#define UNITGAIN_INSTANTIATE(T)                                                               \
  template void Network<T>::forward(std::span<const SampleArray>, std::span<T* const>);       \
  template void Network<T>::spread(std::span<const SampleArray>, Index, Index,                \
                                   std::span<T* const>, std::span<T* const>);                 \
  template void Network<T>::predict(std::span<const SampleArray>, std::span<T* const>, Index, \
                                    const Progress&) const;                                   \
  template bool Network<T>::predict_at_once(const SampleArray&, T*) const
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
