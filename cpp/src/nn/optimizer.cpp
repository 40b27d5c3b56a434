#include "nn/optimizer.hpp"

#include <cmath>

#include "ops/update.hpp"

namespace unitgain::nn {

template <class T>
Optimizer<T>::Optimizer(const OptimizerSpec& spec, const std::vector<ParameterPtr<T>>& parameters)
    : spec_(spec), parameters_(parameters) {
  constexpr auto line = static_cast<Index>(base::cache_line / sizeof(T));
  for (const ParameterPtr<T>& parameter : parameters_) {
    offsets_.push_back(size_);
    size_ += (parameter->size() + line - 1) / line * line;
  }
  gradients_ = base::AlignedBuffer<T>(size_);
  gradients_.zero();
  const bool adam = spec_.kind == OptimizerKind::adam;
  if (adam || spec_.momentum != 0) {
    first_ = base::AlignedBuffer<T>(size_);
    first_.zero();
  }
  if (adam) {
    second_ = base::AlignedBuffer<T>(size_);
    second_.zero();
  }
}

template <class T>
double Optimizer<T>::work() const {
  return 0.3 * static_cast<double>(size_);
}

template <class T>
void Optimizer<T>::update(const runtime::Team& team) const {
  const double t = static_cast<double>(iterations_);
  const T rate = static_cast<T>(spec_.learning_rate);
  const T corrected =
      static_cast<T>(spec_.learning_rate * std::sqrt(1 - std::pow(spec_.beta_2, t)) /
                     (1 - std::pow(spec_.beta_1, t)));
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    T* w = parameters_[p]->data();
    const T* g = gradient(p);
    const Index n = parameters_[p]->size();
    if (spec_.kind == OptimizerKind::adam) {
      ops::adam<T>(team, w, g, first_.data() + offsets_[p], second_.data() + offsets_[p], n,
                   corrected, spec_.beta_1, spec_.beta_2, static_cast<T>(spec_.epsilon));
    } else if (spec_.momentum != 0) {
      ops::sgd_momentum<T>(team, w, g, first_.data() + offsets_[p], n, rate,
                           static_cast<T>(spec_.momentum), spec_.nesterov);
    } else {
      ops::sgd<T>(team, w, g, n, rate);
    }
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unitgain::nn
