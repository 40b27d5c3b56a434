// Plans by batch size, mode and precision, and memory to run them on.
#pragma once

#include <chrono>
#include <exception>
#include <list>
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

// A plan with the memory that no run is using.
template <class T>
struct CachedPlan {
  CachedPlan(Plan<T> made, int most_threads)
      : plan(std::move(made)), threads(most_threads), tuner(plan.work, most_threads) {}

  const Plan<T> plan;
  // Whose sizes the plan's buffers have.
  const simd::KernelTable* const kernels = &runtime::kernel_table();
  const int threads;
  std::mutex mutex;
  TeamTuner tuner;
  std::vector<std::unique_ptr<RunMemory<T>>> free_memory;
};

// One run's hold on a plan and its memory.
template <class T>
class PlanLease {
 public:
  explicit PlanLease(std::shared_ptr<CachedPlan<T>> cached) : cached_(std::move(cached)) {
    const std::lock_guard lock(cached_->mutex);
    threads_ = cached_->tuner.choose();
    if (cached_->free_memory.empty()) {
      memory_ = std::make_unique<RunMemory<T>>(plan());
    } else {
      memory_ = std::move(cached_->free_memory.back());
      cached_->free_memory.pop_back();
    }
  }
  PlanLease(PlanLease&&) noexcept = default;
  ~PlanLease() {
    if (cached_ == nullptr) return;
    const std::lock_guard lock(cached_->mutex);
    cached_->free_memory.push_back(std::move(memory_));
    if (time_ > 0) cached_->tuner.record(threads_, time_);
  }

  const Plan<T>& plan() const { return cached_->plan; }

  // For a run without what differs from one to the next.
  Context<T> context() const {
    Context<T> context{};
    context.buffers = memory_->buffers.data();
    context.read_in_place = memory_->in_place.get();
    context.failure = &memory_->failure;
    return context;
  }
  // Lets a run read an input where it lies, if it may; null: it is to be read into the arena.
  void set_input(std::size_t input, const T* data) {
    const BufferId buffer = plan().inputs[input];
    if (buffer == no_buffer) return;
    memory_->in_place[input] = data != nullptr;
    memory_->buffers[static_cast<std::size_t>(buffer)] =
        data != nullptr ? reinterpret_cast<std::byte*>(const_cast<T*>(data))
                        : memory_->arena.data() + plan().offsets[static_cast<std::size_t>(buffer)];
  }
  // Where a run writes an output.
  void set_output(std::size_t output, T* data) {
    const BufferId buffer = plan().outputs[output];
    memory_->buffers[static_cast<std::size_t>(buffer)] = reinterpret_cast<std::byte*>(data);
  }

  // Where a run finds the gradient at an output, and where it writes that at an input.
  void set_upstream(std::size_t output, const T* data) {
    const BufferId buffer = plan().upstreams[output];
    memory_->buffers[static_cast<std::size_t>(buffer)] =
        reinterpret_cast<std::byte*>(const_cast<T*>(data));
  }
  void set_gradient(std::size_t input, T* data) {
    const BufferId buffer = plan().input_gradients[input];
    memory_->buffers[static_cast<std::size_t>(buffer)] = reinterpret_cast<std::byte*>(data);
  }

  // Runs the plan, and then after(team) on the same team.
  template <class After>
  void run(const Context<T>& context, After&& after) {
    using Clock = std::chrono::steady_clock;
    const auto body = [&](const runtime::Team& team) {
      const runtime::FlushDenormals flush(trains(plan().mode));
      if (run_steps(plan(), context, team)) after(team);
    };
    const runtime::TeamSize size = {threads_, runtime::longest_wait_for(plan().work)};
    if (!cached_->tuner.tries()) {
      runtime::parallel(size, body);
    } else {
      const auto start = Clock::now();
      runtime::parallel(size, body);
      time_ = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    }
    if (plan().may_fail && memory_->failure.error) {
      memory_->failure.step = Failure::none;
      std::rethrow_exception(std::exchange(memory_->failure.error, nullptr));
    }
  }
  void run(const Context<T>& context) {
    run(context, [](const runtime::Team&) {});
  }

 private:
  std::shared_ptr<CachedPlan<T>> cached_;
  std::unique_ptr<RunMemory<T>> memory_;
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
            cached.plan.precision != precision || cached.kernels != &runtime::kernel_table()) {
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
