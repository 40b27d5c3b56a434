// Teams of threads. An operation is written once, for a team: every member calls it with the same
// arguments, does its share and meets the others at barriers. A whole training step runs its
// operations on one team, so that it pays for one parallel region and not for one an operation.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::runtime {

struct Range {
  Index begin;
  Index end;
  Index size() const { return end - begin; }
};

// Where the members of a team wait for each other: for some tens of microseconds by looking again
// and again, then asleep. OpenMP's own barrier looks for milliseconds, and on a machine that others
// use too it looks in vain while the member that it waits for has no CPU: steps of 0.2 ms took 20.
class Barrier {
 public:
  void wait(int members);

 private:
  std::atomic<std::uint32_t> arrived_{0};
  std::atomic<std::uint32_t> phase_{0};
};

class Team {
 public:
  // A team of one.
  Team() : Team(0, 1, nullptr) {}
  Team(int rank, int size, Barrier* barrier) : rank_(rank), size_(size), barrier_(barrier) {}

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Returns when every member has come here; what they wrote before is then visible to all.
  void barrier() const {
    if (size_ > 1) barrier_->wait(size_);
  }

  // This member's part of [0, n), cut at multiples of `grain`; the parts are as even as that
  // allows.
  Range share(Index n, Index grain = 1) const { return share(rank_, size_, n, grain); }

  // Part `part` of `parts` such parts.
  static Range share(Index part, Index parts, Index n, Index grain = 1) {
    const Index pieces = (n + grain - 1) / grain;
    const Index begin = pieces * part / parts * grain;
    const Index end = pieces * (part + 1) / parts * grain;
    return {std::min(begin, n), std::min(end, n)};
  }

 private:
  int rank_;
  int size_;
  Barrier* barrier_;
};

// The number of threads that `work` is worth, at most the number in force. Work is counted in
// nanoseconds on one thread, roughly; `barriers` is how often the team will meet while doing it.
int threads_for(double work, int barriers = 1);

// Runs body(team) on each member of a team of at most `threads`. The body must not throw. Called
// from inside another parallel region, or in a forked child (whose OpenMP threads did not survive
// the fork), the team is the caller alone.
bool can_fork_team();

template <class Body>
void parallel(int threads, Body&& body) {
  if (threads <= 1 || !can_fork_team()) {
    body(Team());
    return;
  }
  Barrier barrier;
#pragma omp parallel num_threads(threads)
  {
    const Team team(omp_get_thread_num(), omp_get_num_threads(), &barrier);
    body(team);
    team.barrier();  // so that nobody waits long in OpenMP's own barrier at the region's end
  }
}

}  // namespace unitgain::runtime
