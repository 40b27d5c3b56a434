#include "nn/constraint.hpp"

#include <algorithm>
#include <cmath>

#include "base/shape_text.hpp"
#include "ops/grain.hpp"
#include "ops/norm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "simd/kernels/weight.hpp"
#include "unitgain/error.hpp"

namespace unitgain::nn {

namespace {

// Keras's, which keeps a zero from being divided by.
constexpr double norm_epsilon = 1e-7;

// The factor that brings weights of this norm within the constraint. A NaN remains.
double factor(const ConstraintSpec& spec, double norm) {
  const double bounded = norm < spec.least ? spec.least : norm > spec.most ? spec.most : norm;
  const double desired = spec.rate == 1 ? bounded : spec.rate * bounded + (1 - spec.rate) * norm;
  return desired / (norm_epsilon + norm);
}

// Of a row of any length, read by one thread.
template <class T>
double row_norm(const T* x, Index n) {
  double norms[2] = {ops::block_norm(x, std::min(n, ops::norm_block)), 0};
  for (Index first = ops::norm_block; first < n; first += ops::norm_block) {
    norms[1] = ops::block_norm(x + first, std::min(n - first, ops::norm_block));
    norms[0] = ops::combined_norm(norms, 2);
  }
  return norms[0];
}

}  // namespace

NormLayout norm_layout(const std::vector<int>& axes, const std::vector<Index>& shape) {
  const auto rank = static_cast<int>(shape.size());
  std::vector<bool> along(shape.size(), axes.empty());
  for (const int axis : axes) {
    if (axis < 0 || axis >= rank) {
      throw ValueError("the norm's axis is " + std::to_string(axis) +
                       ", but the weights have shape " + base::shape_text(shape));
    }
    along[static_cast<std::size_t>(axis)] = true;
  }
  NormLayout layout{1, 1, 1};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (!along[i]) {
      (layout.length == 1 ? layout.outer : layout.inner) *= shape[i];
      continue;
    }
    if (layout.inner > 1) {
      throw ValueError("the norm's axes must be neighbours in weights of shape " +
                       base::shape_text(shape));
    }
    layout.length *= shape[i];
  }
  return layout;
}

template <class T>
void Constraints<T>::read_options() {
  any_non_negative_ = any_custom_ = false;
  singles_.clear();
  several_.clear();
  for (std::size_t p = 0; p < arrays_.size(); ++p) {
    const ConstraintSpec& spec = arrays_[p].options.constraint;
    any_non_negative_ |= spec.kind == ConstraintKind::non_negative;
    any_custom_ |= spec.kind == ConstraintKind::custom;
    if (spec.kind != ConstraintKind::norm) continue;
    const NormLayout layout = norm_layout(spec.axes, arrays_[p].shape);
    if (layout.outer * layout.length * layout.inner == 0) continue;
    if (layout.outer == 1 && layout.inner == 1) {
      const auto blocks = (layout.length + ops::norm_block - 1) / ops::norm_block;
      singles_.push_back({p, layout.length, std::vector<double>(static_cast<std::size_t>(blocks))});
    } else {
      several_.push_back(
          {p, layout, base::AlignedBuffer<T>(layout.inner, "a constraint's factors")});
    }
  }
}

template <class T>
void Constraints<T>::make_non_negative(std::size_t array, Index first, Index count) const {
  runtime::kernels<T>().weight->non_negative(arrays_[array].data + first, count);
}

template <class T>
void Constraints<T>::scale_by_norms(const runtime::Team& team,
                                    const std::vector<const T*>& gradients) {
  if (singles_.empty() && several_.empty()) return;
  team.barrier();
  for (Single& single : singles_) {
    const runtime::Range part = team.share(static_cast<Index>(single.norms.size()), 1);
    for (Index i = part.begin; i < part.end; ++i) {
      const Index first = i * ops::norm_block;
      single.norms[static_cast<std::size_t>(i)] = ops::block_norm(
          arrays_[single.array].data + first, std::min(ops::norm_block, single.length - first));
    }
  }
  for (const Several& several : several_) {
    if (gradients[several.array] == nullptr) continue;
    several.layout.inner == 1 ? scale_rows(team, several) : scale_columns(team, several);
  }
  if (singles_.empty()) return;
  team.barrier();
  for (const Single& single : singles_) {
    if (gradients[single.array] == nullptr) continue;
    const double norm =
        ops::combined_norm(single.norms.data(), static_cast<Index>(single.norms.size()));
    const double scale = factor(arrays_[single.array].options.constraint, norm);
    const runtime::Range part = team.share(single.length, ops::element_grain);
    runtime::kernels<T>().vector->scale(static_cast<T>(scale),
                                        arrays_[single.array].data + part.begin, part.size());
  }
}

template <class T>
void Constraints<T>::scale_rows(const runtime::Team& team, const Several& several) const {
  const auto& [array, layout, factors] = several;
  const runtime::Range part = team.share(layout.outer, 1);
  for (Index i = part.begin; i < part.end; ++i) {
    T* row = arrays_[array].data + i * layout.length;
    const double scale = factor(arrays_[array].options.constraint, row_norm(row, layout.length));
    runtime::kernels<T>().vector->scale(static_cast<T>(scale), row, layout.length);
  }
}

// Each thread has columns of its own.
template <class T>
void Constraints<T>::scale_columns(const runtime::Team& team, const Several& several) const {
  const auto& [array, layout, factors] = several;
  const simd::WeightKernels<T>& kernels = *runtime::kernels<T>().weight;
  const runtime::Range part = team.share(layout.inner, ops::column_grain<T>);
  T* factor_of = factors.data() + part.begin;
  for (Index i = 0; i < layout.outer; ++i) {
    T* w = arrays_[array].data + i * layout.length * layout.inner + part.begin;
    kernels.column_squares(w, layout.inner, layout.length, part.size(), factor_of);
    for (Index j = 0; j < part.size(); ++j) {
      const double norm = std::sqrt(static_cast<double>(factor_of[j]));
      factor_of[j] = static_cast<T>(factor(arrays_[array].options.constraint, norm));
    }
    kernels.scale_columns(w, layout.inner, layout.length, part.size(), factor_of);
  }
}

template <class T>
void Constraints<T>::call(const std::vector<const T*>& gradients) const {
  for (std::size_t p = 0; any_custom_ && p < arrays_.size(); ++p) {
    const ConstraintSpec& spec = arrays_[p].options.constraint;
    if (spec.kind == ConstraintKind::custom && gradients[p] != nullptr) spec.custom();
  }
}

template class Constraints<float>;
template class Constraints<double>;

}  // namespace unitgain::nn
