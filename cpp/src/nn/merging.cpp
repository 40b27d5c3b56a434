// Nodes with several inputs: sums, and columns side by side.
#include <algorithm>

#include "nn/plan_builder.hpp"
#include "ops/activation.hpp"
#include "ops/grain.hpp"
#include "ops/rows.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::nn {

namespace {

// Values that are summed up, and activated, while they are in the first cache.
constexpr Index chunk = 2048;

template <class T>
void add_chunk(const Context<T>& context, const std::vector<BufferId>& inputs, Index first, Index n,
               T* sum) {
  const auto add = runtime::kernels<T>().vector->add;
  const T* so_far = context.at(inputs[0]) + first;
  if (inputs.size() == 1) std::copy_n(so_far, n, sum);
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    add(so_far, context.at(inputs[i]) + first, sum, n);
    so_far = sum;
  }
}

}  // namespace

template <class T>
void copy_matrix(PlanBuilder<T>& builder, const char* name, const View& from, const View& to) {
  builder.step(name, 0.2 * static_cast<double>(to.rows * to.cols), {from.buffer, to.buffer},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::copy_rows<T>(team, read_at(context, from), at(context, to));
               });
}

// With the activation behind it.
template <class T>
void add_forward(PlanBuilder<T>& builder, const Group<T>& group) {
  std::vector<BufferId> inputs;
  for (const NodeId source : group.inputs) inputs.push_back(builder.value(source));
  const BufferId y = builder.value(group.result);
  const bool keep_input =
      builder.mode() == Mode::train && activation_info(group.activation.kind).saves_input;
  const BufferId z = keep_input ? builder.saved(group).buffer : y;
  std::vector<BufferId> uses = inputs;
  uses.insert(uses.end(), {y, z});
  const Index n = builder.values(group.result);
  builder.step(
      "add", 0.2 * static_cast<double>(n) * static_cast<double>(inputs.size()), std::move(uses),
      [=, activation = group.activation](const runtime::Team& team, const Context<T>& context) {
        const runtime::Range part = team.share(n, ops::element_grain);
        for (Index first = part.begin; first < part.end; first += chunk) {
          const Index count = std::min(chunk, part.end - first);
          add_chunk(context, inputs, first, count, context.at(z) + first);
          if (activation.kind == Activation::linear) continue;
          ops::activation<T>(runtime::Team(), activation, context.at(z) + first,
                             context.at(y) + first, count);
        }
      });
}

// Every input's gradient is the sum's, which nobody copies.
template <class T>
void add_backward(PlanBuilder<T>& builder, const Group<T>& group) {
  const Index cols = builder.node(group.result).shape.cols;
  const View dy = builder.gradient_matrix(group.result, cols);
  for (const NodeId source : group.inputs) {
    if (builder.wants_gradient(source)) builder.add_gradient(source, dy, false);
  }
}

namespace {

// body(source, its part of the concatenation's columns) for each input.
template <class T, class Body>
void for_each_part(PlanBuilder<T>& builder, const Group<T>& group, const View& all, Body&& body) {
  View part = all;
  for (const NodeId input : builder.node(group.head).inputs) {
    part.cols = builder.node(input).shape.cols;
    body(builder.value_of(input), part);
    part.offset += part.cols;
  }
}

}  // namespace

template <class T>
void concatenate_forward(PlanBuilder<T>& builder, const Group<T>& group) {
  const View y = builder.matrix(group.result, builder.node(group.result).shape.cols);
  for_each_part(builder, group, y, [&](NodeId source, const View& part) {
    const View x = builder.matrix(source, part.cols);
    const bool there = x.buffer == part.buffer && x.offset == part.offset;
    if (!there) copy_matrix(builder, "concatenate", x, part);
  });
}

// Each input's gradient is a part of the concatenation's, where it lies.
template <class T>
void concatenate_backward(PlanBuilder<T>& builder, const Group<T>& group) {
  const View dy = builder.gradient_matrix(group.result, builder.node(group.result).shape.cols);
  const bool owned = builder.owns_gradient(group.result);
  for_each_part(builder, group, dy, [&](NodeId source, const View& part) {
    if (builder.wants_gradient(source)) builder.add_gradient(source, part, owned);
  });
}

#define UNITGAIN_INSTANTIATE(T)                                                      \
  template void copy_matrix(PlanBuilder<T>&, const char*, const View&, const View&); \
  template void add_forward(PlanBuilder<T>&, const Group<T>&);                       \
  template void add_backward(PlanBuilder<T>&, const Group<T>&);                      \
  template void concatenate_forward(PlanBuilder<T>&, const Group<T>&);               \
  template void concatenate_backward(PlanBuilder<T>&, const Group<T>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::nn
