// Chooses by measurement how many threads a plan runs on.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/parallel.hpp"

namespace unitgain::nn {

// The gain of a team depends on the plan, the CPU, and what else runs on it now, which no estimate
// knows. The result has the same bits for any team, so the plan's own runs may try: most take the
// size that has been fastest, some its neighbours (half and double). A neighbour is tried in a few
// runs one behind the other, of which the first does not count: it wakes the workers that the size
// before let sleep. One that proves slow is tried again at longer and longer intervals, and at once
// when the fastest has become slower.
class TeamTuner {
 public:
  // `work` is the plan's, in nanoseconds on one thread; `threads` the most to use.
  TeamTuner(double work, int threads);

  // The size for the next run; its time is to be recorded.
  int choose();
  void record(int threads, double nanoseconds);
  // Whether runs are worth timing at all.
  bool tries() const { return sizes_ > 1; }

 private:
  static constexpr int most_sizes = 16;
  static constexpr int trial_runs = 4;
  struct Record {
    double time = 0;  // nanoseconds, a running mean; 0: not known
    std::uint32_t interval = 0, countdown = 0;
  };

  void try_candidate(double nanoseconds);
  int threads(int size) const { return size + 1 == sizes_ ? most_threads_ : 1 << size; }

  int most_threads_;
  int sizes_ = 1;  // 1, 2, 4 ... threads, the last being most_threads_
  int best_ = 0;
  double compared_ = 0;  // the best size's time when it was last compared; 0: not yet
  int candidate_ = 0;    // the size on trial
  int tried_ = 0;        // the number of the trial's next run, from 1; 0: no size is on trial
  std::array<double, trial_runs - 1> trial_ = {};
  std::array<Record, most_sizes> records_ = {};
};

}  // namespace unitgain::nn
