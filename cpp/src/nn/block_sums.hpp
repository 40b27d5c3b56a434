// The sums of blocks' values over a tree, part of them here, the rest with the other processes.
#pragma once

#include <memory>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "nn/block_tree.hpp"
#include "unitgain/communicator.hpp"

namespace unitgain::nn {

template <class T>
class BlockSums {
 public:
  // Without a communicator all blocks are here.
  BlockSums(std::shared_ptr<Communicator> communicator, Index blocks, Index count);

  // The blocks of this process.
  Range own() const { return own_; }
  Index count() const { return count_; }
  Index bytes() const;

  // This thread's part of adding a block's values [first, first + count), which the team must see.
  // Blocks come in their order.
  void add(const runtime::Team& team, Index block, const T* values, Index first, Index count);

  // Starts to exchange values [first, first + count) of all blocks, which must have been added.
  // All processes start the same parts in the same order.
  void start(Index first, Index count);
  // Lets exchanges go on, without waiting for any.
  void advance();
  // Waits for the sums.
  void finish();
  // Once they are finished: the values' sums.
  T* sums() const { return slots_.data(); }

 private:
  // A part of the values on its way.
  struct Part {
    Index first, count;
    bool is_small;  // every process adds up all of it, and not only a slice
    base::AlignedBuffer<T> sent, received;
    std::vector<Index> sent_bytes, received_bytes;
    std::unique_ptr<Exchange> collecting, spreading;
  };
  int size() const { return communicator_ == nullptr ? 1 : communicator_->size(); }
  int rank() const { return communicator_ == nullptr ? 0 : communicator_->rank(); }
  Range slice(const Part& part, int rank) const {
    constexpr auto line = static_cast<Index>(base::cache_line / sizeof(T));
    return runtime::Team::share(rank, size(), part.count, line);
  }
  T* slot(Index number) const { return slots_.data() + number * count_; }
  Index shared_by(int rank) const { return shared_of_[static_cast<std::size_t>(rank)]; }
  void collect(Part& part);
  void gather_all(Part& part);
  void add_up(T* received, Index count, T* sum) const;
  void spread(Part& part);

  std::shared_ptr<Communicator> communicator_;
  Index count_;
  Range own_;
  std::vector<Subtree> leaves_;   // the blocks of this process
  std::vector<Index> depths_;     // of the stack before each of them
  std::vector<Subtree> shared_;   // the nodes that processes have alone
  std::vector<Index> shared_of_;  // how many of them each process has
  base::AlignedBuffer<T> slots_;  // the stack
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace unitgain::nn
