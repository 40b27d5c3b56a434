// Gradients at the inputs, in inference mode.
#include <algorithm>

#include "nn/batches.hpp"
#include "nn/network_state.hpp"

namespace unitgain {

namespace {

// Values of each output, or input, for a batch.
template <class T, class Shape>
std::vector<std::vector<T>> arrays_of(std::size_t count, Index batch, Shape&& shape) {
  std::vector<std::vector<T>> made;
  for (std::size_t i = 0; i < count; ++i) {
    made.emplace_back(static_cast<std::size_t>(batch * shape(i).size()));
  }
  return made;
}

}  // namespace

template <class T>
void Network<T>::State::explain(const Samples& samples, Index first, Index batch,
                                std::span<const T* const> upstream, std::span<T* const> wanted) {
  const std::shared_lock lock(steps());
  nn::PlanLease<T> lease = this->lease(batch, Mode::explain);
  const nn::Context<T> context = this->context(lease, samples, first);
  for (std::size_t i = 0; i < upstream.size(); ++i) lease.set_upstream(i, upstream[i]);
  for (std::size_t i = 0; i < wanted.size(); ++i) lease.set_gradient(i, wanted[i]);
  lease.run(context);
}

template <class T>
void Network<T>::input_gradients(std::span<const SampleArray> x, std::span<const T* const> upstream,
                                 std::span<T* const> gradients, Index batch_size) const {
  nn::check_batch_size(batch_size);
  state_->check_inputs(x);
  state_->check_differentiable();
  const std::size_t count = outputs().size();
  if (upstream.size() != count) {
    throw ValueError("upstream has " + std::to_string(upstream.size()) +
                     " arrays, but the network has " + std::to_string(count) + " outputs");
  }
  const Samples samples{.x = x, .count = x[0].rows};
  const auto shape = [&](std::size_t i) { return output_shape(i); };
  const auto zeros = arrays_of<T>(count, std::min(batch_size, samples.count), shape);
  nn::for_each_batch(samples.count, batch_size, {}, {}, [&](Index first, Index batch, Totals&) {
    std::vector<const T*> from;
    std::vector<T*> to;
    for (std::size_t i = 0; i < count; ++i) {
      const Index before = first * output_shape(i).size();
      from.push_back(upstream[i] != nullptr ? upstream[i] + before : zeros[i].data());
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      to.push_back(gradients[i] + first * input_shape(i).size());
    }
    state_->explain(samples, first, batch, from, to);
  });
}

template <class T>
void Network<T>::jacobian(std::span<const SampleArray> x, std::size_t output,
                          std::span<T* const> jacobians, Index batch_size) const {
  nn::check_batch_size(batch_size);
  state_->check_inputs(x);
  state_->check_differentiable();
  const Samples samples{.x = x, .count = x[0].rows};
  const Index most = std::min(batch_size, samples.count), values = output_shape(output).size();
  auto upstream = arrays_of<T>(outputs().size(), most, [&](auto i) { return output_shape(i); });
  auto gradients = arrays_of<T>(inputs().size(), most, [&](auto i) { return input_shape(i); });
  std::vector<const T*> from;
  std::vector<T*> to;
  for (const auto& array : upstream) from.push_back(array.data());
  for (auto& array : gradients) to.push_back(array.data());
  nn::for_each_batch(samples.count, batch_size, {}, {}, [&](Index first, Index batch, Totals&) {
    for (Index j = 0; j < values; ++j) {
      const auto mark = [&](T value) {
        for (Index i = 0; i < batch; ++i) {
          upstream[output][static_cast<std::size_t>(i * values + j)] = value;
        }
      };
      mark(T{1});
      state_->explain(samples, first, batch, from, to);
      mark(T{0});
      for (std::size_t input = 0; input < to.size(); ++input) {
        const Index size = input_shape(input).size();
        for (Index i = 0; i < batch; ++i) {
          std::copy_n(to[input] + i * size, size,
                      jacobians[input] + ((first + i) * values + j) * size);
        }
      }
    }
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                                   \
  template void Network<T>::State::explain(const Samples&, Index, Index,                          \
                                           std::span<const T* const>, std::span<T* const>);       \
  template void Network<T>::input_gradients(                                                      \
      std::span<const SampleArray>, std::span<const T* const>, std::span<T* const>, Index) const; \
  template void Network<T>::jacobian(std::span<const SampleArray>, std::size_t,                   \
                                     std::span<T* const>, Index) const
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
