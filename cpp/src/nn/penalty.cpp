#include "nn/penalty.hpp"

#include <cmath>

#include "ops/gemm.hpp"
#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/flush_denormals.hpp"
#include "simd/kernels/vector.hpp"
#include "simd/kernels/weight.hpp"

namespace unitgain::nn {

template <class T>
void Penalties<T>::read_options() {
  any_ = any_whole_ = false;
  work_ = 0;
  whole_.assign(arrays_.size(), 0.0);
  own_gradients_.clear();
  own_gradients_.resize(arrays_.size());
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    const PenaltySpec& spec = arrays_[p].options.penalty;
    if (is_elementwise(p)) any_ = true;
    if (spec.orthogonal == 0 && !spec.custom) continue;
    any_ = any_whole_ = true;
    if (spec.orthogonal != 0) {
      const Index rows = arrays_[p].shape[0], cols = arrays_[p].shape[1];
      const Index count = spec.columns ? cols : rows;
      work_ += 2 * ops::gemm_work(rows, cols, count);
    }
    if (!spec.custom) continue;
    Index size = 1;
    for (const Index extent : arrays_[p].shape) size *= extent;
    own_gradients_[p] = base::AlignedBuffer<T>(size, "a penalty's gradient");
  }
  magnitudes_.assign(any_ ? static_cast<std::size_t>(blocks_.size()) : 0, Magnitudes{});
}

template <class T>
void Penalties<T>::begin(int threads) {
  for (std::size_t p = 0; any_whole_ && p < arrays_.size(); ++p) {
    const PenaltySpec& spec = arrays_[p].options.penalty;
    if (spec.orthogonal != 0) {
      orthogonality_.reserve(arrays_[p].shape[0], arrays_[p].shape[1], spec.columns, threads);
    }
    if (spec.custom) {
      const base::AlignedBuffer<T>& own = own_gradients_[p];
      whole_[p] = spec.custom(own.data(), own.size() * static_cast<Index>(sizeof(T)));
    }
  }
}

template <class T>
void Penalties<T>::add_whole(const runtime::Team& team, T* const* gradients) {
  for (std::size_t p = 0; any_whole_ && p < arrays_.size(); ++p) {
    const PenaltySpec& spec = arrays_[p].options.penalty;
    T* gradient = gradients == nullptr ? nullptr : gradients[p];
    if (spec.orthogonal != 0) {
      const double penalty = orthogonality_.run(team, arrays_[p], gradient);
      if (team.rank() == 0) whole_[p] = penalty;
    }
    if (spec.custom && gradient != nullptr) {
      const runtime::Range part = team.share(own_gradients_[p].size(), ops::element_grain);
      const T* own = own_gradients_[p].data() + part.begin;
      T* to = gradient + part.begin;
      runtime::kernels<T>().vector->add(to, own, to, part.size());
      team.barrier();
    }
  }
}

template <class T>
void Penalties<T>::take_magnitudes(Index block) {
  const auto [p, first, count] = blocks_[block];
  runtime::kernels<T>().weight->magnitudes(arrays_[p].data + first, count,
                                           magnitudes_[static_cast<std::size_t>(block)].sums);
}

template <class T>
void Penalties<T>::add_to(Index block, const T* g, const T* sum, T scale, T* gradient) {
  const auto [p, first, count] = blocks_[block];
  const PenaltySpec& spec = arrays_[p].options.penalty;
  if (is_elementwise(p)) take_magnitudes(block);
  runtime::kernels<T>().weight->penalize({arrays_[p].data + first, g, sum, gradient}, count,
                                         {static_cast<T>(spec.l1), static_cast<T>(spec.l2), scale});
}

template <class T>
double Penalties<T>::value() const {
  double total = 0;
  for (std::size_t p = 0; any_ && p < arrays_.size(); ++p) {
    const PenaltySpec& spec = arrays_[p].options.penalty;
    total += whole_[p];
    if (!is_elementwise(p)) continue;
    double absolute = 0, squares = 0;
    for (Index i = blocks_.begin(p); i < blocks_.end(p); ++i) {
      absolute += magnitudes_[static_cast<std::size_t>(i)].sums[0];
      squares += magnitudes_[static_cast<std::size_t>(i)].sums[1];
    }
    // A factor of 0 takes no part, even of infinite weights.
    if (spec.l1 != 0) total += spec.l1 * absolute;
    if (spec.l2 != 0) total += spec.l2 * squares;
  }
  return total;
}

template <class T>
double Penalties<T>::measure(int threads) {
  if (!any_) return 0;
  const std::lock_guard lock(*mutex_);
  begin(threads);
  double elements = 0;
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    if (is_elementwise(p)) elements += static_cast<double>(blocks_.end(p) - blocks_.begin(p));
  }
  const double work = work_ + 0.1 * elements * static_cast<double>(ops::norm_block);
  const runtime::TeamSize size = runtime::threads_for(work, any_whole_ ? 4 : 1);
  runtime::parallel(size, [&](const runtime::Team& team) {
    const runtime::Range part = team.share(blocks_.size(), 1);
    for (Index i = part.begin; i < part.end; ++i) {
      if (is_elementwise(blocks_[i].array)) take_magnitudes(i);
    }
    add_whole(team, nullptr);
  });
  return value();
}

template class Penalties<float>;
template class Penalties<double>;

}  // namespace unitgain::nn
