// Teams of threads. An operation is written once, for a team: every thread calls it with the same
// arguments, does its share and meets the others at barriers. A whole training step runs its
// operations on one team, so that it pays for one team and not for one an operation.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "unitgain/types.hpp"

namespace unitgain::runtime {

struct Range {
  Index begin;
  Index end;
  Index size() const { return end - begin; }
};

// Where the threads of a team wait for each other: for some tenths of a millisecond by looking
// again and again, then asleep.
class Barrier {
 public:
  void wait(int team_size);

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

  // Returns when every thread has come here; what they wrote before is then visible to all.
  void barrier() const {
    if (size_ > 1) barrier_->wait(size_);
  }

  // This thread's part of [0, n), cut at multiples of `grain`; the parts are as even as that
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

// How many threads an operation would like, and how long, in nanoseconds, it waits for them to
// come. Who has not come by then is not waited for: the team is smaller, and the result is the
// same.
struct TeamSize {
  int threads;
  double longest_wait;
};

// How long it pays to wait for workers, for an operation of that much work.
double longest_wait_for(double work);

// The threads that `work` is worth, at most those in force. Work is in nanoseconds on one thread,
// roughly; `barriers` is how often the team will meet while doing it.
TeamSize threads_for(double work, int barriers = 1);

// The type-erased form of parallel(): body(context, team).
using TeamBody = void (*)(void* context, const Team& team);
void run_team(TeamSize size, TeamBody body, void* context);

// Runs body(team) on each thread of a team of at most size.threads, the caller being rank 0, by the
// threading layer in use. The body must not throw. Called from within a team, it runs on the
// caller alone.
template <class Body>
void parallel(TeamSize size, Body&& body) {
  if (size.threads <= 1) {
    body(Team());
    return;
  }
  using Function = std::remove_reference_t<Body>;
  const auto call = [](void* context, const Team& team) {
    (*static_cast<Function*>(context))(team);
  };
  run_team(size, call, const_cast<std::remove_const_t<Function>*>(&body));
}

// The same waiting for so long that the team has `threads` threads unless the system has no CPU
// for them for long.
template <class Body>
void parallel(int threads, Body&& body) {
  parallel(TeamSize{threads, 1e8}, body);
}

}  // namespace unitgain::runtime
