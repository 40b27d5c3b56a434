// Plans by batch size, mode and precision, and arenas to run them on.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <mutex>

#include "base/aligned_buffer.hpp"
#include "nn/plan.hpp"
#include "nn/team_tuner.hpp"
#include "runtime/flush_denormals.hpp"

namespace unitgain::nn {

// A plan with the arenas that no run is using.
template <class T>
struct CachedPlan {
  CachedPlan(Plan<T> made, int most_threads)
      : plan(std::move(made)), threads(most_threads), tuner(plan.work, most_threads) {}

  const Plan<T> plan;
  const int threads;
  std::mutex mutex;
  TeamTuner tuner;
  std::vector<base::AlignedBuffer<std::byte>> free_arenas;
};

// One run's hold on a plan and an arena.
template <class T>
class PlanLease {
 public:
  explicit PlanLease(std::shared_ptr<CachedPlan<T>> cached) : cached_(std::move(cached)) {
    const std::lock_guard lock(cached_->mutex);
    threads_ = cached_->tuner.choose();
    if (cached_->free_arenas.empty()) {
      arena_ = base::AlignedBuffer<std::byte>(cached_->plan.arena_bytes);
    } else {
      arena_ = std::move(cached_->free_arenas.back());
      cached_->free_arenas.pop_back();
    }
  }
  PlanLease(PlanLease&&) noexcept = default;
  ~PlanLease() {
    if (cached_ == nullptr) return;
    const std::lock_guard lock(cached_->mutex);
    cached_->free_arenas.push_back(std::move(arena_));
    if (time_ > 0) cached_->tuner.record(threads_, time_);
  }

  const Plan<T>& plan() const { return cached_->plan; }
  std::byte* arena() const { return arena_.data(); }

  // Runs the plan, and then after(team) on the same team.
  template <class After>
  void run(const Context<T>& context, After&& after) {
    using Clock = std::chrono::steady_clock;
    const auto body = [&](const runtime::Team& team) {
      const runtime::FlushDenormals flush(plan().mode == Mode::train);
      run_steps(plan(), context, team);
      after(team);
    };
    const runtime::TeamSize size = {threads_, runtime::patience_for(plan().work)};
    if (!cached_->tuner.tries()) return runtime::parallel(size, body);
    const auto start = Clock::now();
    runtime::parallel(size, body);
    time_ = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  }
  void run(const Context<T>& context) {
    run(context, [](const runtime::Team&) {});
  }

 private:
  std::shared_ptr<CachedPlan<T>> cached_;
  base::AlignedBuffer<std::byte> arena_;
  int threads_ = 1;
  double time_ = 0;
};

// Keeps the plans used last. Safe to use from many threads.
template <class T>
class PlanCache {
 public:
  // The plan for (batch, mode, threads, precision), made by make() if it is not known.
  template <class Make>
  PlanLease<T> lease(Index batch, Mode mode, int threads, Precision precision, Make&& make) {
    {
      const std::lock_guard lock(mutex_);
      for (auto known = plans_.begin(); known != plans_.end(); ++known) {
        const CachedPlan<T>& cached = **known;
        if (cached.plan.batch != batch || cached.plan.mode != mode || cached.threads != threads ||
            cached.plan.precision != precision) {
          continue;
        }
        plans_.splice(plans_.begin(), plans_, known);
        return PlanLease<T>(plans_.front());
      }
    }
    auto cached = std::make_shared<CachedPlan<T>>(make(), threads);
    const std::lock_guard lock(mutex_);
    plans_.push_front(cached);
    if (plans_.size() > most_plans) plans_.pop_back();
    return PlanLease<T>(std::move(cached));
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    plans_.clear();
  }

 private:
  static constexpr std::size_t most_plans = 16;
  std::mutex mutex_;
  std::list<std::shared_ptr<CachedPlan<T>>> plans_;
};

}  // namespace unitgain::nn
