// Training shared out over processes: each runs some blocks of every batch.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "nn/block_sums.hpp"
#include "nn/network_state.hpp"

namespace unitgain::nn {

// Adds the sums of some samples to those of others.
void add_totals(const std::vector<OutputLoss>& losses, const Totals& part, Totals& sum);
// Where several outputs have parts, the loss is the weighted sum of their means.
void weigh_outputs(const std::vector<OutputLoss>& losses, Totals& totals);

// The sums of each block of this process: added up to those of all, in the same order whatever the
// number of processes.
class BlockTotals {
 public:
  BlockTotals(Index blocks, Range own, const Totals& empty)
      : blocks_(blocks), own_(own), totals_(static_cast<std::size_t>(own.size()), empty) {}
  Totals& of(Index block) { return totals_[static_cast<std::size_t>(block - own_.begin)]; }
  Totals sum(Communicator* communicator, const std::vector<OutputLoss>& losses,
             const Totals& empty) const;

 private:
  Index blocks_;
  Range own_;
  std::vector<Totals> totals_;
};

// What a network keeps from step to step.
template <class T>
class Distributed {
 public:
  Distributed(const Distribution& distribution, typename Network<T>::State& state);

  Communicator* communicator() const { return distribution_.communicator.get(); }
  // Into how many blocks so many samples are cut, and those of this process.
  Index blocks(Index samples) const { return std::min(distribution_.blocks, samples); }
  Range own(Index blocks) const;

  // One step, whose sums are added to those of the blocks.
  void step(const Samples& samples, Index first, Index batch, BlockTotals& totals);

 private:
  using State = typename Network<T>::State;
  // Values that batch norm moves: where they are, and how many.
  struct Moving {
    T* values;
    Index size, offset;
  };
  // Parameters that lie one behind the other, whose gradients are exchanged together.
  struct Bucket {
    Index first, count;
    std::size_t first_parameter, last_parameter;  // and those between
  };
  // A batch, and the blocks that it is cut into.
  struct Batch {
    const Samples& samples;
    Index first, rows, blocks;
    const double* divisors;
  };
  // A block's run.
  struct Run {
    PlanLease<T> lease;
    Context<T> context;
    std::vector<T> changes;  // of what batch norm moves
  };
  void find_buckets();
  BlockSums<T>& sums(Index blocks);
  std::vector<double> divisors(const Samples& samples, Index first, Index batch, Index blocks);
  Run begin_run(const Batch& batch, Index block);
  void run_in_turn(const Batch& batch, BlockTotals& totals);
  void run_and_exchange(Run& run, Index block, BlockSums<T>& sums);
  void run_together(const Batch& batch, BlockTotals& totals);
  void meet(const Meeting& meeting, std::vector<double>& joint, Index blocks);
  void end_run(const Batch& batch, Run& run, Index block, BlockTotals& totals);
  // For each bucket after how many steps of a plan it is whole, and all before it.
  std::vector<std::size_t> ready_buckets(const Plan<T>& plan) const;
  void remember_statistics();
  void take_statistics(const Batch& batch, Run& run);
  void move_statistics(const T* changes);
  void update(BlockSums<T>& sums);

  Distribution distribution_;
  State& state_;
  std::vector<Bucket> buckets_;  // in the order in which the backward pass comes to them
  std::vector<Moving> moving_;
  std::vector<T> before_;               // what moves, as the step began
  std::map<Index, BlockSums<T>> sums_;  // by the number of blocks
};

}  // namespace unitgain::nn
