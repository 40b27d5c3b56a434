// Processes that train one network together.
#pragma once

#include <memory>
#include <span>

#include "unitgain/types.hpp"

namespace unitgain {

// An exchange of data that goes on beside the caller's work, in memory that stays as it is until
// wait() has returned.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Lets it make progress; whether it has ended.
  virtual bool test() = 0;
  virtual void wait() = 0;
};

// What moves the bytes. All processes call the same functions in the same order, each on one
// thread at a time; what fails throws, and leaves the others to whoever started them.
class Communicator {
 public:
  virtual ~Communicator() = default;
  // The number of this process, from 0, and how many there are.
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Makes `bytes` bytes those of process `root`.
  virtual void broadcast(void* data, Index bytes, int root) = 0;

  // Sends each process so many bytes, those for process 0 first, and receives so many of each.
  virtual std::unique_ptr<Exchange> start_all_to_all(const void* sent,
                                                     std::span<const Index> sent_bytes,
                                                     void* received,
                                                     std::span<const Index> received_bytes) = 0;
  // Gives all processes what each has: so many bytes, one behind the other, of which each finds
  // its own in place.
  virtual std::unique_ptr<Exchange> start_all_gather(void* data, std::span<const Index> bytes) = 0;
};

// How a batch is shared out. It is cut into so many blocks of rows, alike to within a row, whatever
// the number of processes; each process has the same number of blocks in turn, to within one.
struct Distribution {
  std::shared_ptr<Communicator> communicator;
  Index blocks = 16;
};

// Leaves in `data` of each process the sum of all blocks', `count` values each, added up as a
// binary tree over the blocks' numbers whatever the number of processes: the same bits on all.
// `data` has the blocks of this process, [blocks rank / size, blocks (rank + 1) / size), one behind
// the other; the sum is written over the first `count` values, for which there must be room.
// Throws ValueError if there are fewer blocks than processes.
template <class T>
void sum_blocks(Communicator& communicator, Index blocks, T* data, Index count);

}  // namespace unitgain
