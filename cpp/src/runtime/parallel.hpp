// Teams of threads. An operation is written once, for a team: every member calls it with the same
// arguments, does its share and meets the others at barriers. A whole training step runs its
// operations on one team, so that it pays for one parallel region and not for one an operation.
#pragma once

#include <omp.h>

#include <algorithm>

#include "unitgain/types.hpp"

namespace unitgain::runtime {

struct Range {
  Index begin;
  Index end;
  Index size() const { return end - begin; }
};

class Team {
 public:
  Team(int rank, int size) : rank_(rank), size_(size) {}

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Returns when every member has come here; what they wrote before is then visible to all.
  void barrier() const {
    if (size_ > 1) {
#pragma omp barrier
    }
  }

  // This member's part of [0, n), cut at multiples of `grain`; the parts are as even as that
  // allows.
  Range share(Index n, Index grain = 1) const {
    const Index pieces = (n + grain - 1) / grain;
    const Index begin = pieces * rank_ / size_ * grain;
    const Index end = pieces * (rank_ + 1) / size_ * grain;
    return {std::min(begin, n), std::min(end, n)};
  }

 private:
  int rank_;
  int size_;
};

// The number of threads that `work` is worth, at most the number in force. Work is counted in
// nanoseconds on one thread, roughly: waking the others costs some microseconds.
int threads_for(double work);

// Runs body(team) on each member of a team of at most `threads`. The body must not throw. Called
// from inside another parallel region, or in a forked child (whose OpenMP threads did not survive
// the fork), the team is the caller alone.
bool can_fork_team();

template <class Body>
void parallel(int threads, Body&& body) {
  if (threads <= 1 || !can_fork_team()) {
    body(Team(0, 1));
    return;
  }
#pragma omp parallel num_threads(threads)
  body(Team(omp_get_thread_num(), omp_get_num_threads()));
}

}  // namespace unitgain::runtime
