// Passes of training side by side: who does which batches of which.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <vector>

#include "nn/batches.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace {

// The cost of a pass, in nanoseconds on one thread, roughly.
struct Cost {
  double step = 0;
  Index batches = 0;
  double all() const { return step * static_cast<double>(batches); }
};

Cost cost_of(const TrainingPass& pass) {
  if (pass.count == 0) return {};
  return {pass.work(), (pass.count + pass.batch_size - 1) / pass.batch_size};
}

// The passes, and who does which batches of them. All batches in a row are cut into as many shares
// as there are threads (McNaughton, "Scheduling with deadlines and loss functions", Management
// Science 6, 1959): so a thread has whole passes, but for the first and the last, and weights
// seldom move to another core's cache. Of a pass that is cut, the thread behind the cut does its
// part first, at once, and the one before it its part last. Shares are worked off in turns, which
// become shorter towards the end (guided self-scheduling: Polychronopoulos and Kuck, IEEE
// Transactions on Computers 36, 1987): a thread that has done its share takes turns of others'.
class Queue {
 public:
  Queue(std::span<TrainingPass* const> passes, const std::vector<Cost>& costs, int threads)
      : shares_(static_cast<std::size_t>(threads)) {
    double all = 0;
    for (std::size_t i = 0; i < passes.size(); ++i) {
      entries_.push_back({passes[i], costs[i].batches});
      batches_left_ += costs[i].batches;
      all += costs[i].all();
    }
    double before = 0;  // the cost of the passes before
    for (std::size_t i = 0; i < passes.size(); ++i) {
      Index cut = 0;  // the batches that shares before this one take
      for (std::size_t rank = 0; rank < shares_.size() && cut < costs[i].batches; ++rank) {
        const double end = all * static_cast<double>(rank + 1) / static_cast<double>(threads);
        const bool is_last = rank + 1 == shares_.size();
        const Index until = is_last ? costs[i].batches
                                    : std::clamp(static_cast<Index>((end - before) / costs[i].step),
                                                 cut, costs[i].batches);
        if (until > cut) shares_[rank].push_back({i, until - cut});
        cut = until;
      }
      before += costs[i].all();
    }
  }

  // Does batches of passes until none is left that nobody has in hand. `ask` is called after each.
  template <class Ask>
  void work_off(int rank, Ask&& ask) {
    while (const Turn turn = take(shares_[static_cast<std::size_t>(rank)])) {
      give_back(*turn.entry, run(turn, ask));
    }
  }

  void stop() { stopped_.store(true, std::memory_order_relaxed); }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct Entry {
    TrainingPass* pass;
    Index batches;
    Index batches_left = batches;
    bool is_taken = false;
  };
  struct Part {
    std::size_t entry;
    Index batches;
  };
  struct Turn {
    Entry* entry = nullptr;
    Index batches = 0;
    explicit operator bool() const { return entry != nullptr; }
  };

  // Of the thread's own share, or else of the pass that has most left.
  Turn take(std::vector<Part>& share) {
    const std::lock_guard lock(mutex_);
    if (stopped_.load(std::memory_order_relaxed)) return {};
    const Index most = 1 + batches_left_ / (4 * static_cast<Index>(shares_.size()));
    std::erase_if(share, [&](const Part& part) {
      return part.batches == 0 || entries_[part.entry].batches_left == 0;
    });
    for (Part& part : share) {
      Entry& entry = entries_[part.entry];
      if (entry.is_taken) continue;
      entry.is_taken = true;
      const Index batches = std::min({part.batches, entry.batches_left, most});
      part.batches -= batches;
      return {&entry, batches};
    }
    Entry* found = nullptr;
    for (Entry& entry : entries_) {
      if (entry.is_taken || entry.batches_left == 0) continue;
      if (found == nullptr || entry.batches_left > found->batches_left) found = &entry;
    }
    if (found == nullptr) return {};
    found->is_taken = true;
    return {found, std::min(found->batches_left, most)};
  }

  // After `done` batches, or none if the pass has come to its end before.
  void give_back(Entry& entry, Index done) {
    const std::lock_guard lock(mutex_);
    if (done == 0 || entry.pass->totals.diverged) done = entry.batches_left;
    entry.batches_left -= done;
    batches_left_ -= done;
    entry.is_taken = false;
  }

  // Returns how many batches were done.
  template <class Ask>
  Index run(const Turn& turn, Ask&& ask) {
    TrainingPass& pass = *turn.entry->pass;
    Index done = 0;
    try {
      while (done < turn.batches && !pass.totals.diverged &&
             !stopped_.load(std::memory_order_relaxed)) {
        const Index first =
            (turn.entry->batches - turn.entry->batches_left + done) * pass.batch_size;
        pass.step(first, std::min(pass.batch_size, pass.count - first), pass.totals);
        ++pass.totals.batches;
        ++done;
        if (!ask()) stop();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      stop();
    }
    return done;
  }

  std::mutex mutex_;
  std::vector<Entry> entries_;
  std::vector<std::vector<Part>> shares_;  // of each thread
  Index batches_left_ = 0;                 // of all
  std::atomic<bool> stopped_ = false;
  std::exception_ptr error_;
};

// Gives a thread of a team the caller's settings, and work to do alone, until it is destroyed.
class OneThread {
 public:
  explicit OneThread(Precision precision)
      : threads_(set_thread_override(1)), precision_(set_precision_override(precision)) {}
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() {
    set_thread_override(threads_);
    set_precision_override(precision_);
  }

 private:
  int threads_;
  std::optional<Precision> precision_;
};

// How many threads do passes side by side; 1: one pass after the other, each on as many threads as
// it is worth, where there are more threads than passes, and the networks are large enough for
// them.
runtime::TeamSize team_size(const std::vector<Cost>& costs) {
  double step = 0, all = 0;
  for (const Cost& cost : costs) {
    step = std::max(step, cost.step);
    all += cost.all();
  }
  const int threads = num_threads();
  const double wait = runtime::longest_wait_for(all);
  if (costs.size() >= static_cast<std::size_t>(threads)) return {threads, wait};
  const int count = static_cast<int>(costs.size());
  return {runtime::threads_for(step).threads > count ? 1 : count, wait};
}

}  // namespace

void train_together(std::span<TrainingPass* const> passes, const std::function<bool()>& go_on) {
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const auto before = passes.first(i);
    if (std::find(before.begin(), before.end(), passes[i]) == before.end()) continue;
    throw ValueError("the same pass of training comes twice");
  }
  const Precision precision = float32_matmul_precision();
  std::vector<Cost> costs;
  {
    const OneThread alone(precision);  // of the plans that are to run
    for (const TrainingPass* pass : passes) costs.push_back(cost_of(*pass));
  }
  const Totals none;
  const Progress progress = {[&](const Totals&) { return !go_on || go_on(); }};
  nn::Ticker tick(progress);
  const auto ask = [&] { return tick(none); };
  const runtime::TeamSize size = team_size(costs);
  Queue queue(passes, costs, std::max(1, size.threads));
  if (size.threads <= 1) {
    queue.work_off(0, ask);
  } else {
    runtime::parallel(size, [&](const runtime::Team& team) {
      const OneThread alone(precision);
      if (team.rank() == 0) {
        queue.work_off(0, ask);
      } else {
        queue.work_off(team.rank(), [] { return true; });
      }
    });
  }
  queue.rethrow();
}

}  // namespace unitgain
