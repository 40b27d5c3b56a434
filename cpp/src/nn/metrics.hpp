// Metrics of a network's outputs: computed with the loss, summed up after the run.
#pragma once

#include <vector>

#include "nn/plan_builder.hpp"

namespace unitgain::nn {

// Gives the metrics of an output their buffers; `softmax`: its loss is computed from logits, the
// output itself is their softmax. Returns what the loss's step uses, `expected` apart.
template <class T>
std::vector<BufferId> plan_metrics(PlanBuilder<T>& builder, const std::vector<MetricSpec>& metrics,
                                   Index cols, bool softmax, LossBuffers& buffers);

// A team's part of the loss's step, when all threads see the labels or targets.
template <class T>
void measure(const runtime::Team& team, const Context<T>& context,
             const std::vector<MetricSpec>& metrics, const LossBuffers& buffers);

// Makes room for the metrics' sums; before the first batch, custom ones begin anew. `cols` are
// those of each output.
void begin_metrics(const std::vector<OutputLoss>& outputs, const std::vector<Index>& cols,
                   Totals& totals);

// Adds a batch at one output to its sums, after the run; custom ones by themselves, as they may
// throw.
template <class T>
void add_metrics(const Context<T>& context, const std::vector<MetricSpec>& metrics,
                 const LossBuffers& buffers, std::size_t output, Totals& totals);
template <class T>
void add_custom_metrics(const Context<T>& context, const std::vector<MetricSpec>& metrics,
                        const LossBuffers& buffers, std::size_t output, Totals& totals);

}  // namespace unitgain::nn
