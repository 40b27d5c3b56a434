// Passes of training side by side: who does which batches of which.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
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

using Clock = std::chrono::steady_clock;

// The passes, of which a thread takes one for a turn of some batches: the one with the most time
// left. Turns become shorter as the work comes to its end, so that all threads come there together,
// though there is no whole number of passes for each (guided self-scheduling: Polychronopoulos and
// Kuck, IEEE Transactions on Computers 36, 1987).
class Queue {
 public:
  Queue(std::span<TrainingPass* const> passes, int threads) : threads_(threads) {
    for (std::size_t i = 0; i < passes.size(); ++i) {
      if (std::find(passes.begin(), passes.begin() + i, passes[i]) != passes.begin() + i) {
        throw ValueError("the same pass of training comes twice");
      }
      const Index size = passes[i]->batch_size;
      entries_.push_back({passes[i], (passes[i]->count + size - 1) / size});
      batches_left_ += entries_.back().batches_left;
    }
  }

  // Does batches of passes until none is left that nobody has in hand. `ask` is called after each.
  template <class Ask>
  void work_off(Ask&& ask) {
    Entry* last = nullptr;
    for (Index batches = 0; Entry* entry = take(last, batches); last = entry) {
      const auto start = Clock::now();
      const Index done = run_turn(*entry, batches, ask);
      give_back(*entry, done, std::chrono::duration<double>(Clock::now() - start).count());
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
    double time = std::numeric_limits<double>::infinity();  // of a batch, in seconds; not known yet

    double time_left() const { return static_cast<double>(batches_left) * time; }
  };

  // The next pass and for how many batches; null: none. It is the thread's last, whose weights are
  // in its cache, unless another is more than a turn behind.
  Entry* take(Entry* last, Index& batches) {
    const std::lock_guard lock(mutex_);
    if (stopped_.load(std::memory_order_relaxed)) return nullptr;
    Entry* found = nullptr;
    for (Entry& entry : entries_) {
      if (entry.is_taken || entry.batches_left == 0) continue;
      if (found == nullptr || entry.time_left() > found->time_left()) found = &entry;
    }
    if (found == nullptr) return nullptr;
    const Index turn = 1 + batches_left_ / (4 * threads_);
    if (last != nullptr && !last->is_taken && last->batches_left > 0 &&
        last->time_left() + static_cast<double>(turn) * last->time >= found->time_left()) {
      found = last;
    }
    found->is_taken = true;
    batches = std::min(found->batches_left, turn);
    return found;
  }

  // After `done` batches, or none if the pass has come to its end before.
  void give_back(Entry& entry, Index done, double time) {
    const std::lock_guard lock(mutex_);
    if (done > 0) entry.time = time / static_cast<double>(done);
    if (done == 0 || entry.pass->totals.diverged) done = entry.batches_left;
    entry.batches_left -= done;
    batches_left_ -= done;
    entry.is_taken = false;
  }

  // Returns how many batches were done.
  template <class Ask>
  Index run_turn(Entry& entry, Index batches, Ask&& ask) {
    TrainingPass& pass = *entry.pass;
    Index done = 0;
    try {
      while (done < batches && !pass.totals.diverged && !stopped_.load(std::memory_order_relaxed)) {
        const Index first = (entry.batches - entry.batches_left + done) * pass.batch_size;
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

  const Index threads_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  Index batches_left_ = 0;  // of all
  std::atomic<bool> stopped_ = false;
  std::exception_ptr error_;
};

// What a thread of a team takes from the caller and what it is to do alone, until it is destroyed.
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

// Of a step, and of all that is to be done, in nanoseconds on one thread.
struct Work {
  double step = 0;
  double all = 0;
};

Work work_of(std::span<TrainingPass* const> passes, Precision precision) {
  const OneThread alone(precision);  // the plans that are to run
  Work work;
  for (const TrainingPass* pass : passes) {
    if (pass->count == 0) continue;
    const double step = pass->work();
    work.step = std::max(work.step, step);
    work.all += step * static_cast<double>(pass->count) / static_cast<double>(pass->batch_size);
  }
  return work;
}

// How many threads do passes side by side; 1: one pass after the other, each on as many threads as
// it is worth, where there are more threads than passes, and the networks are large enough for
// them.
runtime::TeamSize team_size(std::size_t passes, const Work& work) {
  const int threads = num_threads();
  const double patience = runtime::patience_for(work.all);
  if (passes >= static_cast<std::size_t>(threads)) return {threads, patience};
  const int count = static_cast<int>(passes);
  return {runtime::threads_for(work.step).threads > count ? 1 : count, patience};
}

}  // namespace

void train_together(std::span<TrainingPass* const> passes, const std::function<bool()>& go_on) {
  const Totals none;
  const Progress progress = {[&](const Totals&) { return !go_on || go_on(); }};
  nn::Ticker tick(progress);
  const auto ask = [&] { return tick(none); };
  const Precision precision = float32_matmul_precision();
  const runtime::TeamSize size = team_size(passes.size(), work_of(passes, precision));
  Queue queue(passes, size.threads);
  if (size.threads <= 1) {
    queue.work_off(ask);
  } else {
    runtime::parallel(size, [&](const runtime::Team& team) {
      const OneThread alone(precision);
      if (team.rank() == 0) {
        queue.work_off(ask);
      } else {
        queue.work_off([] { return true; });
      }
    });
  }
  queue.rethrow();
}

}  // namespace unitgain
