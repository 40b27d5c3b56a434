#include "nn/distributed.hpp"

#include <algorithm>
#include <cmath>

#include "nn/node.hpp"
#include "ops/loss.hpp"
#include "runtime/flush_denormals.hpp"

namespace unitgain::nn {

namespace {

// Bits of a stream's number that the step has; those above are the block's.
constexpr int step_bits = 40;

template <class T>
bool moves_statistics(const Node<T>& node) {
  return std::string_view(node.operation->kind()) == "batch_norm" && node.trainable;
}

}  // namespace

template <class T>
Distributed<T>::Distributed(const Distribution& distribution, State& state)
    : distribution_(distribution), state_(state) {
  Index offset = state.optimizer->size();
  for (const Node<T>& node : state.graph.nodes()) {
    if (!moves_statistics(node)) continue;
    const auto operation = node.operation->copy();
    for (const auto& held : operation->content().parameters) {
      if (held.trained || *held.parameter == nullptr) continue;
      T* const values = (*held.parameter)->data();
      const auto is_same = [=](const Moving& known) { return known.values == values; };
      if (std::any_of(moving_.begin(), moving_.end(), is_same)) continue;
      moving_.push_back({values, (*held.parameter)->size(), offset});
      offset += (*held.parameter)->size();
    }
  }
  before_.resize(static_cast<std::size_t>(offset - state.optimizer->size()));
  changes_.resize(before_.size());
}

template <class T>
Range Distributed<T>::own(Index blocks) const {
  const auto* processes = communicator();
  return processes == nullptr ? Range{0, blocks}
                              : blocks_of(processes->rank(), processes->size(), blocks);
}

template <class T>
BlockSums<T>& Distributed<T>::sums(Index blocks) {
  const auto known = sums_.find(blocks);
  if (known != sums_.end()) return known->second;
  const Index count = state_.optimizer->size() + static_cast<Index>(before_.size());
  return sums_.try_emplace(blocks, distribution_.communicator, blocks, count).first->second;
}

// The divisors of the outputs' losses over all of a batch.
template <class T>
std::vector<double> Distributed<T>::divisors(const Samples& samples, Index first, Index batch,
                                             Index blocks) {
  std::vector<double> found(state_.outputs.size());
  bool counted = false;  // whether rows are not alike
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!state_.losses[i].loss) continue;
    const LossSpec& loss = *state_.losses[i].loss;
    const Index rows = batch * state_.graph.node(state_.outputs[i]).shape.rows;
    found[i] = loss.reduction == Reduction::sum ? 1.0 : static_cast<double>(rows);
    counted |= loss.reduction != Reduction::sum &&
               (loss.ignores_class ||
                (loss.reduction == Reduction::weighted_mean && samples.y[i].weights != nullptr));
  }
  if (!counted) return found;
  BlockSums<double> sum(distribution_.communicator, blocks, static_cast<Index>(found.size()));
  std::vector<double> weights;
  std::vector<std::int32_t> labels;
  for (Index block = sum.own().begin; block < sum.own().end; ++block) {
    const Range rows = rows_of(block, blocks, batch);
    std::vector<double> part(found.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (!state_.losses[i].loss) continue;
      const Target& target = samples.y[i];
      const Index per_sample = state_.graph.node(state_.outputs[i]).shape.rows;
      weights.clear();
      labels.clear();
      for (Index j = first + rows.begin; j < first + rows.end; ++j) {
        const Index row = (samples.order != nullptr ? samples.order[j] : j) * per_sample;
        if (target.weights != nullptr) {
          weights.insert(weights.end(), target.weights + row, target.weights + row + per_sample);
        }
        if (target.labels != nullptr) {
          labels.insert(labels.end(), target.labels + row, target.labels + row + per_sample);
        }
      }
      const LossSpec& loss = *state_.losses[i].loss;
      part[i] = ops::loss_divisor(loss, labels.data(),
                                  target.weights != nullptr ? weights.data() : nullptr,
                                  rows.size() * per_sample);
    }
    sum.add(runtime::Team(), block, part.data(), 0, sum.count());
  }
  sum.start(0, sum.count());
  sum.finish();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& loss = state_.losses[i].loss;
    if (loss && loss->reduction != Reduction::sum) found[i] = sum.sums()[i];
  }
  return found;
}

template <class T>
void Distributed<T>::step(const Samples& samples, Index first, Index batch, BlockTotals& totals) {
  const StepLock lock(state_);
  const Index blocks = this->blocks(batch);
  BlockSums<T>& sums = this->sums(blocks);
  const StepLock lock_of_optimizer(*state_.optimizer);
  const std::vector<double> divisors = this->divisors(samples, first, batch, blocks);
  state_.clear_unwritten();
  remember_statistics();
  for (Index block = sums.own().begin; block < sums.own().end; ++block) {
    run_block(samples, first, batch, blocks, block, divisors.data(), totals);
  }
  sums.start(0, sums.count());
  sums.finish();
  move_statistics(sums.sums() + state_.optimizer->size());
  update(sums);
  ++state_.step;
  for (Index block = sums.own().begin; block < sums.own().end; ++block) {
    totals.of(block).penalty += state_.optimizer->penalty() *
                                static_cast<double>(rows_of(block, blocks, batch).size());
  }
}

template <class T>
void Distributed<T>::run_block(const Samples& samples, Index first, Index batch, Index blocks,
                               Index block, const double* divisors, BlockTotals& totals) {
  const Range rows = rows_of(block, blocks, batch);
  BlockSums<T>& sums = this->sums(blocks);
  PlanLease<T> lease = state_.lease(rows.size(), Mode::train);
  Context<T> context = state_.context(lease, samples, first + rows.begin);
  context.step += static_cast<std::uint64_t>(block) << step_bits;
  context.whole = batch;
  context.divisors = divisors;
  lease.run(context, [&](const runtime::Team& team) {
    team.barrier();
    sums.add(team, block, state_.gradient_memory.data(), 0, state_.gradient_memory.size());
  });
  add_statistics(block, static_cast<double>(rows.size()) / static_cast<double>(batch), sums);
  state_.count(lease.plan(), context, 0, totals.of(block));
  state_.add_custom_metrics(lease.plan(), context, totals.of(block));
}

template <class T>
void Distributed<T>::remember_statistics() {
  T* to = before_.data();
  for (const Moving& moving : moving_) to = std::copy_n(moving.values, moving.size, to);
}

// How a block has moved the statistics, by its share of the batch; they are put back.
template <class T>
void Distributed<T>::add_statistics(Index block, double share, BlockSums<T>& sums) {
  const T* before = before_.data();
  T* change = changes_.data();
  for (const Moving& moving : moving_) {
    for (Index i = 0; i < moving.size; ++i) {
      *change++ = static_cast<T>(share) * (moving.values[i] - *before);
      moving.values[i] = *before++;
    }
  }
  sums.add(runtime::Team(), block, changes_.data(), state_.optimizer->size(),
           static_cast<Index>(changes_.size()));
}

template <class T>
void Distributed<T>::move_statistics(const T* changes) {
  for (const Moving& moving : moving_) {
    for (Index i = 0; i < moving.size; ++i) moving.values[i] += *changes++;
  }
}

template <class T>
void Distributed<T>::update(BlockSums<T>& sums) {
  Optimizer<T>& optimizer = *state_.optimizer;
  std::vector<T*> gradients;
  for (std::size_t i = 0; i < state_.trainable.size(); ++i) {
    gradients.push_back(sums.sums() + optimizer.offset(i));
  }
  const int threads = num_threads();
  optimizer.begin_step({gradients.begin(), gradients.end()}, threads, gradients.data());
  const runtime::TeamSize size = runtime::threads_for(optimizer.work());
  runtime::parallel(size, [&](const runtime::Team& team) {
    const runtime::FlushDenormals flush(true);
    optimizer.update(team);
  });
  optimizer.finish_step();
}

template class Distributed<float>;
template class Distributed<double>;

}  // namespace unitgain::nn
