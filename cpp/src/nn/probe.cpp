#include "nn/probe.hpp"

#include <cmath>
#include <variant>

#include "ops/column_signals.hpp"

namespace unitgain::nn {

namespace {

constexpr Index bins = 50;

template <class T>
BufferId measure(PlanBuilder<T>& builder, const char* name, const View& x) {
  const BufferId sums = builder.template buffer<double>(column_sum_count * x.cols);
  builder.keep(sums);
  builder.step(name, 2.0 * static_cast<double>(x.rows * x.cols), {x.buffer, sums},
               [=](const runtime::Team& team, const Context<T>& context) {
                 ops::column_signals<T>(team, read_at(context, x),
                                        context.template at<double>(sums));
               });
  return sums;
}

// Counts where the node's activation saturates, if it is one of each value by itself.
template <class T>
bool measure_slopes(PlanBuilder<T>& builder, NodeId id, BufferId sums) {
  const Node<T>& node = builder.node(id);
  const auto epilogue = node.operation->as_epilogue(builder.mode(), node.training);
  if (!epilogue || !std::holds_alternative<ActivationSpec>(*epilogue)) return false;
  const ActivationSpec activation = std::get<ActivationSpec>(*epilogue);
  const View x = builder.matrix(builder.value_of(node.inputs[0]), node.shape.cols);
  const double limit = ops::saturated_slope<T>(activation);
  builder.step("saturation", 2.0 * static_cast<double>(x.rows * x.cols), {x.buffer, sums},
               [=](const runtime::Team& team, const Context<T>& context) {
                 double* counts = context.template at<double>(sums) +
                                  static_cast<Index>(ColumnSum::saturated) * x.cols;
                 ops::count_saturated<T>(team, activation, limit, read_at(context, x), counts);
               });
  return true;
}

template <class T>
BufferId measure_histogram(PlanBuilder<T>& builder, const View& x, BufferId sums) {
  const BufferId counts = builder.template buffer<double>(bins);
  builder.keep(counts);
  builder.step("histogram", 2.0 * static_cast<double>(x.rows * x.cols), {x.buffer, sums, counts},
               [=](const runtime::Team& team, const Context<T>& context) {
                 if (team.rank() != 0) return;
                 const double* columns = context.template at<double>(sums);
                 const auto of = [&](ColumnSum which) {
                   return columns + static_cast<Index>(which) * x.cols;
                 };
                 const double* low = of(ColumnSum::smallest);
                 const double* high = of(ColumnSum::largest);
                 ops::histogram<T>(read_at(context, x), *std::min_element(low, low + x.cols),
                                   *std::max_element(high, high + x.cols), bins,
                                   context.template at<double>(counts));
               });
  return counts;
}

std::vector<double> copied(const double* from, Index count) {
  return {from, from + count};
}

}  // namespace

template <class T>
void measure_values(PlanBuilder<T>& builder, NodeId id, std::vector<Probe>& probes) {
  const View x = builder.matrix(id, builder.node(id).shape.cols);
  Probe probe{id, x.rows, x.cols};
  probe.values = measure(builder, "measure values", x);
  probe.has_slope = measure_slopes(builder, id, probe.values);
  if (builder.mode() == Mode::probe) {
    probe.histogram = measure_histogram(builder, x, probe.values);
  }
  probes.push_back(probe);
}

template <class T>
void measure_gradient(PlanBuilder<T>& builder, NodeId id, std::vector<Probe>& probes) {
  if (!builder.has_gradient(id)) return;
  for (Probe& probe : probes) {
    if (probe.node != id) continue;
    probe.gradients = measure(builder, "measure gradient", builder.gradient_matrix(id, probe.cols));
  }
}

template <class T>
std::vector<NodeSignal> read_probes(const Plan<T>& plan, const Context<T>& context) {
  std::vector<NodeSignal> found;
  for (const Probe& probe : plan.probes) {
    const auto sums = [&](BufferId buffer, Index count) -> std::vector<double> {
      if (buffer == no_buffer) return {};
      return copied(context.template at<double>(buffer), count);
    };
    const Index count = column_sum_count * probe.cols;
    found.push_back({probe.node, probe.rows, probe.cols, probe.has_slope, sums(probe.values, count),
                     sums(probe.gradients, count), sums(probe.histogram, bins)});
  }
  return found;
}

#define UNITGAIN_INSTANTIATE(T)                                                 \
  template void measure_values(PlanBuilder<T>&, NodeId, std::vector<Probe>&);   \
  template void measure_gradient(PlanBuilder<T>&, NodeId, std::vector<Probe>&); \
  template std::vector<NodeSignal> read_probes(const Plan<T>&, const Context<T>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::nn
