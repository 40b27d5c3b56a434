// Steps that several kinds of nodes add to a plan.
#pragma once

#include "nn/plan_builder.hpp"

namespace unitgain::nn {

template <class T>
T* data_or_null(const ParameterPtr<T>& parameter) {
  return parameter != nullptr ? parameter->data() : nullptr;
}

// A step that copies a matrix.
template <class T>
void copy_matrix(PlanBuilder<T>& builder, const char* name, const View& from, const View& to);

// The passes of a group that is an activation alone.
template <class T>
void activation_forward(PlanBuilder<T>& builder, const Group<T>& group,
                        const ActivationSpec& activation);
template <class T>
void activation_backward(PlanBuilder<T>& builder, const Group<T>& group,
                         const ActivationSpec& activation);

// dx = dy times the derivative of the noise at x, which only rrelu looks at.
template <class T>
void noise_gradient(PlanBuilder<T>& builder, const NoiseSpec& noise, std::uint64_t key, BufferId x,
                    BufferId dy, BufferId dx, Index n);

// A gradient of 0, at what is compared or looked up by.
template <class T>
void zero_gradient(PlanBuilder<T>& builder, NodeId source);

// The gradient of a group's own dropout and activation, unless the product that made the gradient
// had it. What others read too, or lies within another gradient, is written to a buffer of its own.
template <class T>
void differentiate_group(PlanBuilder<T>& builder, const Group<T>& group);

// Calls what is the embedding program's, or Python's: one thread does, while the rest of the team
// waits. What is thrown is kept: the run ends at the step's barrier.
template <class T, class Body>
void call_program(const runtime::Team& team, const Context<T>& context, Body&& body) {
  if (team.rank() != 0) return;
  try {
    body();
  } catch (...) {
    context.failure->error = std::current_exception();
  }
}

}  // namespace unitgain::nn
