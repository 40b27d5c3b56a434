// Plans by batch size, mode and precision, and memory to run them on.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "nn/plan.hpp"
#include "nn/team_tuner.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/flush_denormals.hpp"

namespace unitgain::nn {

// The memory of one run at a time.
template <class T>
struct RunMemory {
  explicit RunMemory(const Plan<T>& plan)
      : arena(plan.arena_bytes, "a network's values"), in_place(new bool[plan.inputs.size()]()) {
    for (const Index offset : plan.offsets) buffers.push_back(arena.data() + offset);
  }
  base::AlignedBuffer<std::byte> arena;
  std::vector<std::byte*> buffers;
  std::unique_ptr<bool[]> in_place;
  Failure failure;
};

struct PlanKey {
  Index batch;
  Mode mode;
  int threads;
  Precision precision;
  // Whose sizes the plan's buffers have.
  const simd::KernelTable* kernels = &runtime::kernel_table();
  bool is_block = false;  // see PlanRequest
  bool operator==(const PlanKey&) const = default;
  // The same for equal keys, and for those of other kernels; 0 for none.
  std::uint64_t hash() const {
    return 1 + (static_cast<std::uint64_t>(batch) << 24) +
           (static_cast<std::uint64_t>(threads) << 8) + (static_cast<std::uint64_t>(mode) << 4) +
           (static_cast<std::uint64_t>(precision) << 1);
  }
};

// A plan, and what its runs have taught about teams.
template <class T>
class CachedPlan {
 public:
  CachedPlan(const PlanKey& plan_key, std::uint64_t made_in, Plan<T> made)
      : plan(std::move(made)),
        key(plan_key),
        generation(made_in),
        tuner_(plan.work, plan_key.threads),
        tries_(tuner_.tries()),
        team_size_(tuner_.choose()) {}
  // Whether runs are to be timed.
  bool tries() const { return tries_; }

  // The team for the next run, whose time is to be recorded. Nobody waits: who meets another thread
  // here takes the team that the last one took.
  int choose_team() {
    if (!tries_) return team_size_.load(std::memory_order_relaxed);
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock) team_size_.store(tuner_.choose(), std::memory_order_relaxed);
    return team_size_.load(std::memory_order_relaxed);
  }
  void record(int team_size, double time) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock) tuner_.record(team_size, time);
  }

  const Plan<T> plan;
  const PlanKey key;
  const std::uint64_t generation;  // of the cache
  std::atomic<std::uint64_t> last_use = 0;

 private:
  std::mutex mutex_;
  TeamTuner tuner_;
  const bool tries_;
  std::atomic<int> team_size_;
};

// A plan with the memory of a run.
template <class T>
struct Runnable {
  explicit Runnable(std::shared_ptr<CachedPlan<T>> plan)
      : cached(std::move(plan)), memory(cached->plan) {}
  const std::shared_ptr<CachedPlan<T>> cached;
  RunMemory<T> memory;
};

// Those that no run holds. Taking one and putting it back is an exchange of a pointer, for which
// nobody waits.
template <class T>
class RunnablePool {
 public:
  RunnablePool() = default;
  RunnablePool(const RunnablePool&) = delete;
  RunnablePool& operator=(const RunnablePool&) = delete;
  ~RunnablePool() { drop(nullptr); }

  // One of that key and generation, and the place that it came from; null if none is found.
  std::unique_ptr<Runnable<T>> take(const PlanKey& key, std::uint64_t generation,
                                    std::size_t& place) {
    // Looked for twice, as one may be put back where the first look has been already.
    for (std::size_t look = 0; look < 2 * places_.size(); ++look) {
      place = look % places_.size();
      if (places_[place].hash.load(std::memory_order_relaxed) != key.hash()) continue;
      std::unique_ptr<Runnable<T>> found = empty(place);
      if (found == nullptr || found->cached->generation != generation) continue;
      if (found->cached->key == key) return found;
      put(std::move(found), place);
    }
    return nullptr;
  }

  // Puts one where it came from, or into another free place; if there is none, that was its end.
  void put(std::unique_ptr<Runnable<T>> runnable, std::size_t preferred) {
    const std::uint64_t hash = runnable->cached->key.hash();
    for (std::size_t i = 0; i < places_.size(); ++i) {
      Place& place = places_[(preferred + i) % places_.size()];
      Runnable<T>* none = nullptr;
      if (!place.runnable.compare_exchange_strong(none, runnable.get(), std::memory_order_release,
                                                  std::memory_order_relaxed)) {
        continue;
      }
      static_cast<void>(runnable.release());
      place.hash.store(hash, std::memory_order_relaxed);
      return;
    }
  }

  // Deletes those of a plan; null: all.
  void drop(const CachedPlan<T>* plan) {
    for (std::size_t place = 0; place < places_.size(); ++place) {
      std::unique_ptr<Runnable<T>> found = empty(place);
      if (found != nullptr && plan != nullptr && found->cached.get() != plan) {
        put(std::move(found), place);
      }
    }
  }

 private:
  // The hash says where to look, and may be that of what was there before.
  struct Place {
    std::atomic<std::uint64_t> hash = 0;
    std::atomic<Runnable<T>*> runnable = nullptr;
  };

  std::unique_ptr<Runnable<T>> empty(std::size_t place) {
    return std::unique_ptr<Runnable<T>>(
        places_[place].runnable.exchange(nullptr, std::memory_order_acquire));
  }

  std::array<Place, 64> places_;
};

template <class T>
class PlanCache;

// One run's hold on a plan and its memory.
template <class T>
class PlanLease {
 public:
  PlanLease(PlanCache<T>& cache, std::unique_ptr<Runnable<T>> runnable, std::size_t place)
      : cache_(&cache),
        runnable_(std::move(runnable)),
        place_(place),
        threads_(runnable_->cached->choose_team()) {}
  PlanLease(PlanLease&&) noexcept = default;
  ~PlanLease() {
    if (runnable_ == nullptr) return;
    if (time_ > 0) runnable_->cached->record(threads_, time_);
    cache_->put_back(std::move(runnable_), place_);
  }

  const Plan<T>& plan() const { return runnable_->cached->plan; }

  // For a run without what differs from one to the next.
  Context<T> context() const {
    Context<T> context{};
    context.buffers = runnable_->memory.buffers.data();
    context.read_in_place = runnable_->memory.in_place.get();
    context.failure = &runnable_->memory.failure;
    return context;
  }
  // Lets a run read an input where it lies, if it may; null: it is to be read into the arena.
  void set_input(std::size_t input, const T* data) {
    const BufferId buffer = plan().inputs[input];
    if (buffer == no_buffer) return;
    runnable_->memory.in_place[input] = data != nullptr;
    runnable_->memory.buffers[static_cast<std::size_t>(buffer)] =
        data != nullptr
            ? reinterpret_cast<std::byte*>(const_cast<T*>(data))
            : runnable_->memory.arena.data() + plan().offsets[static_cast<std::size_t>(buffer)];
  }
  // Where a run writes an output.
  void set_output(std::size_t output, T* data) {
    const BufferId buffer = plan().outputs[output];
    runnable_->memory.buffers[static_cast<std::size_t>(buffer)] =
        reinterpret_cast<std::byte*>(data);
  }

  // Where a run finds the gradient at an output, and where it writes that at an input.
  void set_upstream(std::size_t output, const T* data) {
    const BufferId buffer = plan().upstreams[output];
    runnable_->memory.buffers[static_cast<std::size_t>(buffer)] =
        reinterpret_cast<std::byte*>(const_cast<T*>(data));
  }
  void set_gradient(std::size_t input, T* data) {
    const BufferId buffer = plan().input_gradients[input];
    runnable_->memory.buffers[static_cast<std::size_t>(buffer)] =
        reinterpret_cast<std::byte*>(data);
  }

  // Runs the plan, and then after(team) on the same team.
  template <class After>
  void run(const Context<T>& context, After&& after) {
    run(context, 0, plan().steps.size(), [](const runtime::Team&, std::size_t) {}, after);
  }
  // Runs the steps [begin, end), and calls after_step(team, n) on each thread when the first n
  // steps are done, now and then.
  template <class AfterStep, class After>
  void run(const Context<T>& context, std::size_t begin, std::size_t end, AfterStep&& after_step,
           After&& after) {
    using Clock = std::chrono::steady_clock;
    const auto body = [&](const runtime::Team& team) {
      const runtime::FlushDenormals flush(trains(plan().mode));
      const auto then = [&](std::size_t done) { after_step(team, done); };
      if (run_steps(plan(), context, team, begin, end, then)) after(team);
    };
    const runtime::TeamSize size = {threads_, runtime::longest_wait_for(plan().work)};
    if (!runnable_->cached->tries()) {
      runtime::parallel(size, body);
    } else {
      const auto start = Clock::now();
      runtime::parallel(size, body);
      time_ = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    }
    if (plan().may_fail && runnable_->memory.failure.error) {
      runnable_->memory.failure.step = Failure::none;
      std::rethrow_exception(std::exchange(runnable_->memory.failure.error, nullptr));
    }
  }
  void run(const Context<T>& context) {
    run(context, [](const runtime::Team&) {});
  }

 private:
  PlanCache<T>* cache_;
  std::unique_ptr<Runnable<T>> runnable_;
  std::size_t place_;
  int threads_;
  double time_ = 0;
};

// Keeps the plans used last. Safe to use from many threads; they wait for each other only where a
// plan, or memory for one more run at a time, is made.
template <class T>
class PlanCache {
 public:
  // The plan of that key, made by make() if it is not known.
  template <class Make>
  PlanLease<T> lease(const PlanKey& key, Make&& make) {
    std::size_t place = 0;
    auto runnable = pool_.take(key, generation_.load(std::memory_order_relaxed), place);
    if (runnable == nullptr) runnable = std::make_unique<Runnable<T>>(plan(key, make));
    runnable->cached->last_use.store(uses_.fetch_add(1, std::memory_order_relaxed),
                                     std::memory_order_relaxed);
    return {*this, std::move(runnable), place};
  }

  void put_back(std::unique_ptr<Runnable<T>> runnable, std::size_t place) {
    if (runnable->cached->generation != generation_.load(std::memory_order_relaxed)) return;
    pool_.put(std::move(runnable), place);
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    ++generation_;
    plans_.clear();
    pool_.drop(nullptr);
  }

 private:
  static constexpr std::size_t most_plans = 16;

  template <class Make>
  std::shared_ptr<CachedPlan<T>> plan(const PlanKey& key, Make&& make) {
    const auto known = [&]() -> std::shared_ptr<CachedPlan<T>> {
      for (const auto& cached : plans_) {
        if (cached->key == key) return cached;
      }
      return nullptr;
    };
    {
      const std::lock_guard lock(mutex_);
      if (auto found = known()) return found;
    }
    const std::uint64_t generation = generation_.load();
    auto made = std::make_shared<CachedPlan<T>>(key, generation, make());
    const std::lock_guard lock(mutex_);
    if (generation != generation_) return made;  // for this run alone
    if (auto found = known()) return found;      // another thread was faster
    if (plans_.size() == most_plans) {
      const auto oldest =
          std::min_element(plans_.begin(), plans_.end(), [](const auto& a, const auto& b) {
            return a->last_use.load(std::memory_order_relaxed) <
                   b->last_use.load(std::memory_order_relaxed);
          });
      pool_.drop(oldest->get());
      plans_.erase(oldest);
    }
    plans_.push_back(made);
    return made;
  }

  std::atomic<std::uint64_t> generation_ = 0, uses_ = 0;
  RunnablePool<T> pool_;
  std::mutex mutex_;  // of the plans, when one is looked for that the pool has not
  std::vector<std::shared_ptr<CachedPlan<T>>> plans_;
};

}  // namespace unitgain::nn
