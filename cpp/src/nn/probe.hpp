// Steps that measure the signals of a plan while it runs, and the reading of what they measured.
#pragma once

#include <algorithm>
#include <vector>

#include "nn/plan_builder.hpp"
#include "unitgain/signals.hpp"

namespace unitgain::nn {

// Adds the steps that measure the values at the node, once they are there.
template <class T>
void measure_values(PlanBuilder<T>& builder, NodeId id, std::vector<Probe>& probes);
// The same for the gradient that has come in for a node, if one has.
template <class T>
void measure_gradient(PlanBuilder<T>& builder, NodeId id, std::vector<Probe>& probes);

// The measurements of a run.
template <class T>
std::vector<NodeSignal> read_probes(const Plan<T>& plan, const Context<T>& context);

}  // namespace unitgain::nn
