#include "nn/distributed.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <string>
#include <string_view>

#include "nn/node.hpp"
#include "ops/loss.hpp"
#include "runtime/flush_denormals.hpp"
#include "unitgain/error.hpp"

namespace unitgain::nn {

namespace {

// Bits of a stream's number that the step has; those above are the block's.
constexpr int step_bits = 40;

Range rows_of(Range own, Index blocks, Index batch) {
  return {batch * own.begin / blocks, batch * own.end / blocks};
}

// Throws ValueError unless samples of which a process has its own alone are those of its blocks.
void check_rows(const Samples& samples, Range expected, const Communicator* processes) {
  if (samples.whole == 0) return;
  const Index end = samples.place + samples.count;
  if (expected.size() == 0 || (samples.place <= expected.begin && expected.end <= end)) return;
  throw ValueError("process " + std::to_string(processes == nullptr ? 0 : processes->rank()) +
                   " has rows " + std::to_string(samples.place) + " to " + std::to_string(end) +
                   " of a batch of " + std::to_string(samples.whole) + ", expected " +
                   std::to_string(expected.begin) + " to " + std::to_string(expected.end));
}

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
  find_buckets();
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
        const Index at = j - samples.place;
        const Index row = (samples.order != nullptr ? samples.order[at] : at) * per_sample;
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
  check_rows(samples, rows_of(sums.own(), blocks, batch), communicator());
  const StepLock lock_of_optimizer(*state_.optimizer);
  const std::vector<double> divisors = this->divisors(samples, first, batch, blocks);
  state_.clear_unwritten();
  remember_statistics();
  const Batch given{samples, first, batch, blocks, divisors.data()};
  // Without blocks of its own, a process joins what the others exchange.
  const Index rows = rows_of(0, blocks, batch).size();
  const bool meets =
      !state_.lease(std::max<Index>(rows, 1), Mode::train, true).plan().meetings.empty();
  meets ? run_together(given, totals) : run_in_turn(given, totals);
  sums.start(state_.optimizer->size(), static_cast<Index>(before_.size()));
  sums.finish();
  move_statistics(sums.sums() + state_.optimizer->size());
  update(sums);
  ++state_.step;
  for (Index block = sums.own().begin; block < sums.own().end; ++block) {
    totals.of(block).penalty +=
        state_.optimizer->penalty() * static_cast<double>(rows_of(block, blocks, batch).size());
  }
}

template <class T>
typename Distributed<T>::Run Distributed<T>::begin_run(const Batch& batch, Index block) {
  const Range rows = rows_of(block, batch.blocks, batch.rows);
  PlanLease<T> lease = state_.lease(rows.size(), Mode::train, true);
  Context<T> context =
      state_.context(lease, batch.samples, batch.first + rows.begin - batch.samples.place);
  context.step += static_cast<std::uint64_t>(block) << step_bits;
  context.whole = batch.rows;
  context.divisors = batch.divisors;
  context.block = block;
  context.blocks = batch.blocks;
  return {std::move(lease), context, std::vector<T>(before_.size())};
}

template <class T>
void Distributed<T>::end_run(const Batch& batch, Run& run, Index block, BlockTotals& totals) {
  sums(batch.blocks)
      .add(runtime::Team(), block, run.changes.data(), state_.optimizer->size(),
           static_cast<Index>(run.changes.size()));
  state_.count(run.lease.plan(), run.context, 0, totals.of(block));
  state_.add_custom_metrics(run.lease.plan(), run.context, totals.of(block));
}

template <class T>
void Distributed<T>::run_in_turn(const Batch& batch, BlockTotals& totals) {
  BlockSums<T>& sums = this->sums(batch.blocks);
  const Range own = sums.own();
  for (Index block = own.begin; block < own.end; ++block) {
    Run run = begin_run(batch, block);
    if (block + 1 < own.end) {
      run.lease.run(run.context, [&](const runtime::Team& team) {
        team.barrier();
        sums.add(team, block, state_.gradient_memory.data(), 0, state_.gradient_memory.size());
      });
    } else {
      run_and_exchange(run, block, sums);
    }
    take_statistics(batch, run);
    end_run(batch, run, block, totals);
  }
  if (own.size() > 0) return;
  for (const Bucket& bucket : buckets_) sums.start(bucket.first, bucket.count);
}

// The last block's run: what is whole is on its way while the backward pass goes on.
template <class T>
void Distributed<T>::run_and_exchange(Run& run, Index block, BlockSums<T>& sums) {
  const std::vector<std::size_t> ready = ready_buckets(run.lease.plan());
  std::exception_ptr error;
  const auto exchange = [&](const runtime::Team& team, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Bucket& bucket = buckets_[i];
      sums.add(team, block, state_.gradient_memory.data() + bucket.first, bucket.first,
               bucket.count);
    }
    team.barrier();
    if (team.rank() != 0 || error) return;
    try {
      for (std::size_t i = begin; i < end; ++i) sums.start(buckets_[i].first, buckets_[i].count);
      sums.advance();
    } catch (...) {
      error = std::current_exception();
    }
  };
  // Each thread knows by itself what the team has done.
  std::vector<std::size_t> done(static_cast<std::size_t>(num_threads()));
  const auto until = [&](const runtime::Team& team, std::size_t steps) {
    std::size_t& mine = done[static_cast<std::size_t>(team.rank())];
    std::size_t end = mine;
    while (end < ready.size() && ready[end] <= steps) ++end;
    if (end == mine) return;
    exchange(team, mine, end);
    mine = end;
  };
  run.lease.run(run.context, 0, run.lease.plan().steps.size(), until,
                [&](const runtime::Team& team) {
                  team.barrier();
                  exchange(team, done[static_cast<std::size_t>(team.rank())], buckets_.size());
                });
  if (error) std::rethrow_exception(error);
}

// All blocks step by step, as they need each other's sums on the way.
template <class T>
void Distributed<T>::run_together(const Batch& batch, BlockTotals& totals) {
  BlockSums<T>& sums = this->sums(batch.blocks);
  const Range own = sums.own();
  std::vector<Run> runs;
  for (Index block = own.begin; block < own.end; ++block) runs.push_back(begin_run(batch, block));
  const Index rows = rows_of(0, batch.blocks, batch.rows).size();
  const PlanLease<T> any = state_.lease(std::max<Index>(rows, 1), Mode::train, true);
  const std::vector<Meeting>& meetings = any.plan().meetings;
  std::vector<std::vector<double>> joint;
  std::vector<double*> pointers;
  for (const Meeting& meeting : meetings) {
    joint.emplace_back(static_cast<std::size_t>(meeting.values * batch.blocks));
    pointers.push_back(joint.back().data());
  }
  for (std::size_t i = 0; i <= meetings.size(); ++i) {
    for (Run& run : runs) {
      const Plan<T>& plan = run.lease.plan();
      run.context.joint = pointers.data();
      const std::size_t begin = i == 0 ? 0 : plan.meetings[i - 1].step;
      const std::size_t end = i < meetings.size() ? plan.meetings[i].step : plan.steps.size();
      run.lease.run(
          run.context, begin, end, [](const runtime::Team&, std::size_t) {},
          [&](const runtime::Team& team) {
            team.barrier();
            for (const ReadyGradient& ready : plan.ready) {
              if (ready.step <= begin || ready.step > end) continue;
              const Index first = state_.optimizer->offset(ready.parameter);
              sums.add(team, run.context.block, state_.gradient_memory.data() + first, first,
                       state_.trainable[ready.parameter]->size());
            }
            team.barrier();
          });
      take_statistics(batch, run);
    }
    if (i < meetings.size()) meet(meetings[i], joint[i], batch.blocks);
  }
  for (Run& run : runs) {
    for (const std::span<T> gradient : state_.unwritten) {
      sums.add(runtime::Team(), run.context.block, gradient.data(),
               gradient.data() - state_.gradient_memory.data(),
               static_cast<Index>(gradient.size()));
    }
    end_run(batch, run, run.context.block, totals);
  }
  for (const Bucket& bucket : buckets_) sums.start(bucket.first, bucket.count);
}

// Gives all processes what their blocks have written.
template <class T>
void Distributed<T>::meet(const Meeting& meeting, std::vector<double>& joint, Index blocks) {
  Communicator* const processes = communicator();
  if (processes == nullptr || processes->size() == 1) return;
  std::vector<Index> bytes;
  for (int r = 0; r < processes->size(); ++r) {
    bytes.push_back(blocks_of(r, processes->size(), blocks).size() * meeting.values *
                    static_cast<Index>(sizeof(double)));
  }
  processes->start_all_gather(joint.data(), bytes)->wait();
}

template <class T>
std::vector<std::size_t> Distributed<T>::ready_buckets(const Plan<T>& plan) const {
  std::vector<std::size_t> of_parameter(state_.trainable.size());
  for (const ReadyGradient& ready : plan.ready) of_parameter[ready.parameter] = ready.step;
  std::vector<std::size_t> found;
  std::size_t latest = 1;
  for (const Bucket& bucket : buckets_) {
    for (std::size_t i = bucket.first_parameter; i <= bucket.last_parameter; ++i) {
      latest = std::max(latest, of_parameter[i]);
    }
    found.push_back(latest);
  }
  return found;
}

// From the last parameter on, whose gradient comes first; what is small goes with its neighbours.
template <class T>
void Distributed<T>::find_buckets() {
  const Optimizer<T>& optimizer = *state_.optimizer;
  constexpr auto fused = static_cast<Index>((1 << 18) / sizeof(T));
  Index end = optimizer.size();
  for (std::size_t i = state_.trainable.size(); i-- > 0;) {
    const Index first = optimizer.offset(i), count = end - first;
    const bool joins = !buckets_.empty() && buckets_.back().count + count <= fused;
    if (joins) {
      buckets_.back().first = first;
      buckets_.back().count += count;
      buckets_.back().first_parameter = i;
    } else {
      buckets_.push_back({first, count, i, i});
    }
    end = first;
  }
}

template <class T>
void Distributed<T>::remember_statistics() {
  T* to = before_.data();
  for (const Moving& moving : moving_) to = std::copy_n(moving.values, moving.size, to);
}

// Adds how a block has moved the statistics, by its share of the batch; they are put back.
template <class T>
void Distributed<T>::take_statistics(const Batch& batch, Run& run) {
  const auto share =
      static_cast<T>(static_cast<double>(run.lease.plan().batch) / static_cast<double>(batch.rows));
  const T* before = before_.data();
  T* change = run.changes.data();
  for (const Moving& moving : moving_) {
    for (Index i = 0; i < moving.size; ++i) {
      *change++ += share * (moving.values[i] - *before);
      moving.values[i] = *before++;
    }
  }
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
