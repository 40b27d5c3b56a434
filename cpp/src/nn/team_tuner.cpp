#include "nn/team_tuner.hpp"

#include <algorithm>

namespace unitgain::nn {

namespace {

// Below, waking a worker costs more than it could save; above, a team always gains.
constexpr double least_work = 8e3;
constexpr double surely_worth = 20e6;

constexpr std::uint32_t shortest_interval = 32;
constexpr std::uint32_t longest_interval = 4096;

// The best size has become slower: its running mean has grown by this factor.
constexpr double slower = 1.5;

}  // namespace

TeamTuner::TeamTuner(double work, int threads) : most_threads_(std::max(1, threads)) {
  if (work < least_work) {
    most_threads_ = 1;
  } else if (work < surely_worth) {
    while (sizes_ < most_sizes && 1 << (sizes_ - 1) < most_threads_) ++sizes_;
  }
  for (Record& record : records_) record.interval = shortest_interval;
}

int TeamTuner::choose() {
  if (!tries()) return most_threads_;
  if (tried_ > 0) return threads(candidate_);
  if (records_[static_cast<std::size_t>(best_)].time == 0) return threads(best_);
  for (const int size : {best_ + 1, best_ - 1}) {
    if (size < 0 || size >= sizes_) continue;
    Record& neighbour = records_[static_cast<std::size_t>(size)];
    if (neighbour.countdown > 0) {
      --neighbour.countdown;
      continue;
    }
    candidate_ = size;
    tried_ = 1;
    return threads(size);
  }
  return threads(best_);
}

void TeamTuner::record(int threads_used, double nanoseconds) {
  if (!tries()) return;
  if (tried_ > 0) {
    if (threads_used == threads(candidate_)) try_candidate(nanoseconds);
    return;
  }
  if (threads_used != threads(best_)) return;
  Record& best = records_[static_cast<std::size_t>(best_)];
  best.time = best.time == 0 ? nanoseconds : best.time + (nanoseconds - best.time) / 8;
  if (compared_ > 0 && best.time > slower * compared_) {
    compared_ = best.time;
    for (Record& other : records_) {
      other.interval = shortest_interval;
      other.countdown = 0;
    }
  }
}

void TeamTuner::try_candidate(double nanoseconds) {
  if (tried_ > 1) trial_[static_cast<std::size_t>(tried_ - 2)] = nanoseconds;
  if (++tried_ <= trial_runs) return;
  tried_ = 0;
  std::sort(trial_.begin(), trial_.end());
  Record& record = records_[static_cast<std::size_t>(candidate_)];
  record.time = trial_[trial_.size() / 2];
  const double best_time = records_[static_cast<std::size_t>(best_)].time;
  compared_ = std::min(best_time, record.time);
  const bool slow = record.time > 1.2 * best_time;
  record.interval = slow ? std::min(2 * record.interval, longest_interval) : shortest_interval;
  record.countdown = record.interval;
  if (record.time < best_time) best_ = candidate_;
}

}  // namespace unitgain::nn
