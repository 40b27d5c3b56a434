// The sums over a pass that processes share.
#include <algorithm>
#include <utility>

#include "nn/distributed.hpp"

namespace unitgain::nn {

namespace {

// Weighted means and sums of squared distances from them of two sets of values, joined: Chan, Golub
// and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983.
void join_r2(const std::vector<double>& part, std::vector<double>& sum) {
  const std::size_t n = (part.size() - 1) / 4;
  const double* from = part.data() + 1;
  double* to = sum.data() + 1;
  for (std::size_t j = 0; j < n; ++j) {
    const double weight = from[j], total = to[j] + weight;
    if (weight != 0) {
      const double gap = from[n + j] - to[n + j];
      to[2 * n + j] += from[2 * n + j] + gap * gap * to[j] * weight / total;
      to[n + j] += gap * weight / total;
    }
    to[j] = total;
    to[3 * n + j] += from[3 * n + j];
  }
  sum[0] += part[0];
}

void append(const Totals& totals, std::vector<double>& values) {
  values.insert(values.end(),
                {static_cast<double>(totals.samples), totals.loss, totals.weight, totals.penalty});
  for (const auto& metric : totals.metrics) {
    values.insert(values.end(), metric.begin(), metric.end());
  }
  for (const Totals& output : totals.outputs) append(output, values);
}

const double* read(const double* from, Totals& totals) {
  totals.samples = static_cast<Index>(from[0]);
  totals.loss = from[1];
  totals.weight = from[2];
  totals.penalty = from[3];
  from += 4;
  for (auto& metric : totals.metrics) {
    std::copy_n(from, metric.size(), metric.begin());
    from += metric.size();
  }
  for (Totals& output : totals.outputs) from = read(from, output);
  return from;
}

void add_part(const std::vector<MetricSpec>& metrics, const Totals& part, Totals& sum) {
  sum.samples += part.samples;
  sum.loss += part.loss;
  sum.weight += part.weight;
  sum.penalty += part.penalty;
  if (sum.metrics.empty()) sum.metrics.resize(part.metrics.size());
  for (std::size_t i = 0; i < part.metrics.size(); ++i) {
    const std::vector<double>& from = part.metrics[i];
    std::vector<double>& to = sum.metrics[i];
    to.resize(from.size());
    if (metrics[i].kind == MetricKind::r2) {
      join_r2(from, to);
    } else {
      std::transform(from.begin(), from.end(), to.begin(), to.begin(), std::plus<>());
    }
  }
}

}  // namespace

void weigh_outputs(const std::vector<OutputLoss>& losses, Totals& totals) {
  if (totals.outputs.empty()) return;
  totals.loss = 0;
  totals.weight = 1;
  for (std::size_t i = 0; i < totals.outputs.size(); ++i) {
    const Totals& part = totals.outputs[i];
    if (part.weight > 0) totals.loss += losses[i].weight * (part.loss / part.weight);
  }
}

void add_totals(const std::vector<OutputLoss>& losses, const Totals& part, Totals& sum) {
  add_part(losses[0].metrics, part, sum);
  if (part.outputs.empty()) return;
  sum.outputs.resize(part.outputs.size());
  for (std::size_t i = 0; i < part.outputs.size(); ++i) {
    add_part(losses[i].metrics, part.outputs[i], sum.outputs[i]);
  }
  weigh_outputs(losses, sum);
}

Totals BlockTotals::sum(Communicator* communicator, const std::vector<OutputLoss>& losses,
                        const Totals& empty) const {
  std::vector<double> own;
  append(empty, own);
  const auto each = static_cast<Index>(own.size());
  std::vector<double> all(static_cast<std::size_t>(blocks_ * each));
  for (Index block = own_.begin; block < own_.end; ++block) {
    own.clear();
    append(totals_[static_cast<std::size_t>(block - own_.begin)], own);
    std::copy(own.begin(), own.end(), all.begin() + block * each);
  }
  if (communicator != nullptr && communicator->size() > 1) {
    std::vector<Index> bytes;
    for (int r = 0; r < communicator->size(); ++r) {
      const Range range = blocks_of(r, communicator->size(), blocks_);
      bytes.push_back(range.size() * each * static_cast<Index>(sizeof(double)));
    }
    communicator->start_all_gather(all.data(), bytes)->wait();
  }
  std::vector<Subtree> leaves;
  append_leaves(0, blocks_, [](Index begin, Index end) { return end - begin == 1; }, leaves);
  std::vector<Totals> stack;
  for (const Subtree& leaf : leaves) {
    read(all.data() + leaf.begin * each, stack.emplace_back(empty));
    for (int i = 0; i < leaf.merges; ++i) {
      const Totals right = std::move(stack.back());
      stack.pop_back();
      add_totals(losses, right, stack.back());
    }
  }
  weigh_outputs(losses, stack.back());
  return std::move(stack.back());
}

}  // namespace unitgain::nn
