// Runs of training side by side: who does which batches of which.
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

// A run and how far it has come.
class Progression {
 public:
  explicit Progression(TrainingRun& run) : run_(run) {
    if (run.epochs < 1) throw ValueError("a run of training has no epochs");
    run.totals.clear();
    pass_ = run.begin(0);
    batches_ = (pass_.count + pass_.batch_size - 1) / pass_.batch_size;
    if (batches_ == 0) run.totals.assign(static_cast<std::size_t>(run.epochs), pass_.totals);
  }

  Index batches() const { return run_.epochs * batches_; }
  double step_cost() const { return batches_ == 0 ? 0 : pass_.work(); }  // in nanoseconds, roughly
  bool has_diverged() const { return pass_.totals.diverged; }

  void step() {
    const Index first = done_ % batches_ * pass_.batch_size;
    if (first == 0 && done_ > 0) pass_ = run_.begin(done_ / batches_);
    pass_.step(first, std::min(pass_.batch_size, pass_.count - first), pass_.totals);
    ++pass_.totals.batches;
    ++done_;
    if (done_ % batches_ == 0) run_.totals.push_back(pass_.totals);
  }

  // After the last step.
  void end() {
    if (batches_ > 0 && done_ % batches_ > 0) run_.totals.push_back(pass_.totals);
  }

 private:
  TrainingRun& run_;
  TrainingPass pass_;
  Index batches_;  // of a pass
  Index done_ = 0;
};

// The runs, and who does which batches of them. All batches in a row are cut into as many shares as
// there are threads (McNaughton, "Scheduling with deadlines and loss functions", Management
// Science 6, 1959): so a thread has whole runs, but for the first and the last, and weights seldom
// move to another core's cache. Of a run that is cut, the thread behind the cut does its part
// first, at once, and the one before it its part last. Shares are worked off in turns, which
// become shorter towards the end (guided self-scheduling: Polychronopoulos and Kuck, IEEE
// Transactions on Computers 36, 1987): a thread that has done its share takes turns of others'.
class Queue {
 public:
  Queue(std::vector<Progression>& runs, const std::vector<double>& step_costs, int threads)
      : shares_(static_cast<std::size_t>(threads)) {
    double all = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      entries_.push_back({&runs[i], runs[i].batches()});
      batches_left_ += runs[i].batches();
      all += step_costs[i] * static_cast<double>(runs[i].batches());
    }
    double before = 0;  // the cost of the runs before
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const Index batches = runs[i].batches();
      Index cut = 0;  // the batches that shares before this one take
      for (std::size_t rank = 0; rank < shares_.size() && cut < batches; ++rank) {
        const double end = all * static_cast<double>(rank + 1) / static_cast<double>(threads);
        const bool is_last = rank + 1 == shares_.size();
        const Index until =
            is_last ? batches
                    : std::clamp(static_cast<Index>((end - before) / step_costs[i]), cut, batches);
        if (until > cut) shares_[rank].push_back({i, until - cut});
        cut = until;
      }
      before += step_costs[i] * static_cast<double>(batches);
    }
  }

  // Does batches of runs until none is left that nobody has in hand. `ask` is called after each.
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
    Progression* run;
    Index batches_left;
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

  // Of the thread's own share, or else of the run that has most left.
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

  // After `done` batches, or none if the run has come to its end before.
  void give_back(Entry& entry, Index done) {
    const std::lock_guard lock(mutex_);
    if (done == 0 || entry.run->has_diverged()) done = entry.batches_left;
    entry.batches_left -= done;
    batches_left_ -= done;
    entry.is_taken = false;
  }

  // Returns how many batches were done.
  template <class Ask>
  Index run(const Turn& turn, Ask&& ask) {
    Progression& own = *turn.entry->run;
    Index done = 0;
    try {
      while (done < turn.batches && !own.has_diverged() &&
             !stopped_.load(std::memory_order_relaxed)) {
        own.step();
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

// How many threads do runs side by side; 1: one run after the other, each on as many threads as it
// is worth, where there are more threads than runs, and the networks are large enough for them.
runtime::TeamSize team_size(const std::vector<Progression>& runs,
                            const std::vector<double>& step_costs) {
  double all = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    all += step_costs[i] * static_cast<double>(runs[i].batches());
  }
  const int threads = num_threads();
  const double wait = runtime::longest_wait_for(all);
  if (runs.size() >= static_cast<std::size_t>(threads)) return {threads, wait};
  const int count = static_cast<int>(runs.size());
  const double step = runs.empty() ? 0 : *std::max_element(step_costs.begin(), step_costs.end());
  return {runtime::threads_for(step).threads > count ? 1 : count, wait};
}

}  // namespace

void train_together(std::span<TrainingRun* const> runs, const std::function<bool()>& go_on) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto before = runs.first(i);
    if (std::find(before.begin(), before.end(), runs[i]) == before.end()) continue;
    throw ValueError("the same run of training comes twice");
  }
  const Precision precision = float32_matmul_precision();
  std::vector<Progression> running;
  std::vector<double> step_costs;
  {
    const OneThread alone(precision);  // of the plans that are to run
    for (TrainingRun* run : runs) step_costs.push_back(running.emplace_back(*run).step_cost());
  }
  const Totals none;
  const Progress progress = {[&](const Totals&) { return !go_on || go_on(); }};
  nn::Ticker tick(progress);
  const auto ask = [&] { return tick(none); };
  const runtime::TeamSize size = team_size(running, step_costs);
  Queue queue(running, step_costs, std::max(1, size.threads));
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
  for (Progression& run : running) run.end();
  queue.rethrow();
}

}  // namespace unitgain
