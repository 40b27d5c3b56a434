// Parts of lowering that the normalisations share.
#pragma once

#include "nn/lowering.hpp"
#include "nn/plan_builder.hpp"
#include "ops/grain.hpp"
#include "ops/normalization.hpp"

namespace unitgain::nn {

template <class T, class Norm>
ops::NormParameters<T> parameters_of(const Norm& norm) {
  return {data_or_null(norm.gamma), data_or_null(norm.beta), static_cast<T>(norm.epsilon)};
}

// The statistics that a node's forward pass keeps, `count` of each.
template <class T>
struct NormBuffers {
  NormBuffers(PlanBuilder<T>& builder, NodeId node, Index count)
      : mean(builder.statistics(node, 0, count)),
        residual(builder.statistics(node, 1, count)),
        inverse_deviation(builder.statistics(node, 2, count)) {}

  ops::NormStatistics<T> at(const Context<T>& context) const {
    return {context.at(mean), context.at(residual), context.at(inverse_deviation)};
  }

  BufferId mean, residual, inverse_deviation;
};

// A parameter's gradient becomes `found`, or grows by it; each thread has the sums of its own
// columns. Without a gradient nothing is written.
template <class T>
void store_gradient(const runtime::Team& team,
                    const typename PlanBuilder<T>::ParameterTarget& target, const T* found,
                    Index cols) {
  if (target.gradient == nullptr) return;
  const runtime::Range range = team.share(cols, ops::column_grain<T>);
  for (Index j = range.begin; j < range.end; ++j) {
    target.gradient[j] = (target.accumulate ? target.gradient[j] : T{0}) + found[j];
  }
}

}  // namespace unitgain::nn
