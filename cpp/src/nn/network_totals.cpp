// The sums over a pass: losses, penalties and metrics of its batches.
#include "nn/metrics.hpp"
#include "nn/network_state.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain {

template <class T>
void Network<T>::State::count(const nn::Plan<T>& plan, const nn::Context<T>& context,
                              double penalty, Totals& totals) const {
  totals.penalty += penalty * static_cast<double>(plan.batch);
  for (const nn::ActivityBuffer& activity : plan.activities) {
    const double* sums = context.template at<double>(activity.sums);
    double absolute = 0, squares = 0;
    for (Index i = 0; i < activity.blocks; ++i) {
      absolute += sums[2 * i];
      squares += sums[2 * i + 1];
    }
    // A factor of 0 takes no part, even of infinite values.
    if (activity.l1 != 0) totals.penalty += activity.l1 * absolute;
    if (activity.l2 != 0) totals.penalty += activity.l2 * squares;
  }
  if (outputs.size() == 1) return count(plan, context, 0, losses[0].weight, totals);
  totals.samples += plan.batch;
  totals.outputs.resize(outputs.size());
  totals.loss = 0;
  totals.weight = 1;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Totals& part = totals.outputs[i];
    count(plan, context, i, 1, part);
    if (part.weight > 0) totals.loss += losses[i].weight * (part.loss / part.weight);
  }
}

template <class T>
void Network<T>::State::count(const nn::Plan<T>& plan, const nn::Context<T>& context,
                              std::size_t output, double weight, Totals& totals) const {
  const nn::LossBuffers& buffers = plan.losses[output];
  totals.samples += plan.batch;
  if (buffers.rows == 0) return;
  const double rows_per_sample =
      static_cast<double>(buffers.rows) / static_cast<double>(plan.batch);
  const double loss_sum =
      runtime::kernel_table().weighted_sum(context.template at<double>(buffers.row_losses),
                                           nn::row_weights(context, buffers, output), buffers.rows);
  if (losses[output].loss->reduction == Reduction::sum) {
    // The loss of a step is a sum over its samples, that of a pass the mean over its steps.
    totals.loss += weight * loss_sum * static_cast<double>(context.whole);
    totals.weight += static_cast<double>(plan.batch);
  } else {
    totals.loss += weight * loss_sum / rows_per_sample;
    totals.weight += *context.template at<double>(buffers.divisor) / rows_per_sample;
  }
  nn::add_metrics(context, losses[output].metrics, buffers, output, totals);
}

template <class T>
void Network<T>::State::begin_metrics(Totals& totals) const {
  std::vector<Index> cols;
  for (const NodeId output : outputs) cols.push_back(graph.node(output).shape.cols);
  nn::begin_metrics(losses, cols, totals);
}

template <class T>
void Network<T>::State::add_custom_metrics(const nn::Plan<T>& plan, const nn::Context<T>& context,
                                           Totals& totals) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    nn::add_custom_metrics(context, losses[i].metrics, plan.losses[i], i,
                           outputs.size() > 1 ? totals.outputs[i] : totals);
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                                  \
  template void Network<T>::State::count(const nn::Plan<T>&, const nn::Context<T>&, double,      \
                                         Totals&) const;                                         \
  template void Network<T>::State::count(const nn::Plan<T>&, const nn::Context<T>&, std::size_t, \
                                         double, Totals&) const;                                 \
  template void Network<T>::State::begin_metrics(Totals&) const;                                 \
  template void Network<T>::State::add_custom_metrics(const nn::Plan<T>&, const nn::Context<T>&, \
                                                      Totals&) const
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
