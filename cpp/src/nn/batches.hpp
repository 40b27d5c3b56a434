// A pass over samples in batches, which tells how far it has come.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "unitgain/error.hpp"
#include "unitgain/network.hpp"

namespace unitgain::nn {

// How often a pass tells how far it has come: often enough for a progress bar and for Ctrl-C.
inline constexpr auto progress_interval = std::chrono::milliseconds(100);

class Ticker {
 public:
  explicit Ticker(const Progress& progress) : progress_(progress), last_(Clock::now()) {}

  // False when the pass should end.
  bool operator()(const Totals& totals) {
    if (!progress_.tell) return true;
    if (!progress_.every_batch && Clock::now() - last_ < progress_interval) return true;
    const bool go_on = progress_.tell(totals);
    last_ = Clock::now();
    return go_on;
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Progress& progress_;
  Clock::time_point last_;
};

inline void check_batch_size(Index batch_size) {
  if (batch_size >= 1) return;
  throw ValueError("batch_size must be at least 1, but it is " + std::to_string(batch_size));
}

// Calls body(first, batch, totals) for each batch of `count` samples, until the progress callback
// ends the pass.
template <class Body>
Totals for_each_batch(Index count, Index batch_size, const Progress& progress, Totals totals,
                      Body&& body) {
  check_batch_size(batch_size);
  Ticker tick(progress);
  for (Index first = 0; first < count; first += batch_size) {
    body(first, std::min(batch_size, count - first), totals);
    ++totals.batches;
    if (!tick(totals) || totals.diverged) break;
  }
  return totals;
}

}  // namespace unitgain::nn
