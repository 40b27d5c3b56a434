#include "nn/steps.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/system.hpp"

namespace unitgain::nn {

// All objects there are. Its mutex is held for moments, by nobody who waits for anything else.
struct Enlisted {
  std::mutex mutex;
  std::vector<Stepped*> all;

  // In a child of fork(), whose only thread this is. The mutexes may be held by threads that the
  // child does not have; they are never destroyed, as the caller may be in a step of its own.
  void renew() {
    for (Stepped* stepped : all) {
      new std::shared_ptr<StepMutex>(stepped->steps_);
      stepped->steps_ = std::make_shared<StepMutex>();
      stepped->renew_locks();
    }
    mutex.unlock();
  }
};

namespace {

// Never destroyed: networks may be while the process ends.
Enlisted& enlisted = *new Enlisted();

// Held through a fork, so that the child finds the list whole.
[[maybe_unused]] const int fork_handler = base::at_fork(
    [] { enlisted.mutex.lock(); }, [] { enlisted.mutex.unlock(); }, [] { enlisted.renew(); });

// The steps that the thread is in: those of networks that layers written in Python call, too.
thread_local const StepLock* innermost = nullptr;

}  // namespace

void Stepped::enlist(std::vector<const void*> memory) {
  memory_ = std::move(memory);
  const std::lock_guard lock(enlisted.mutex);
  enlisted.all.push_back(this);
}

void Stepped::withdraw() {
  const std::lock_guard lock(enlisted.mutex);
  std::erase(enlisted.all, this);
}

StepLock::StepLock(const Stepped& object) : mutex_(object.steps()) {
  mutex_.lock();
  outer_ = std::exchange(innermost, this);
}

StepLock::~StepLock() {
  innermost = outer_;
  mutex_.unlock();
}

bool StepLock::is_in(const StepMutex& mutex) {
  for (const StepLock* step = innermost; step != nullptr; step = step->outer_) {
    if (&step->mutex_ == &mutex) return true;
  }
  return false;
}

Still::Still(std::optional<std::span<const void* const>> memory) {
  const std::lock_guard lock(enlisted.mutex);
  for (const Stepped* stepped : enlisted.all) {
    const auto changes = [&](const void* array) {
      return std::find(stepped->memory_.begin(), stepped->memory_.end(), array) !=
             stepped->memory_.end();
    };
    const bool requested = !memory || std::any_of(memory->begin(), memory->end(), changes);
    if (requested && !StepLock::is_in(stepped->steps())) {
      chosen_.push_back(stepped->steps_);
    }
  }
}

// A step may need another object's mutex (a layer written in Python runs a second network), so
// nobody may wait long for one while holding others: who has waited in vain lets go of all, and
// waits for that one first, holding none.
void Still::hold(std::optional<Seconds> longest_wait) {
  using Clock = std::chrono::steady_clock;
  constexpr auto while_holding = std::chrono::milliseconds(200);
  const auto given_up =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(longest_wait.value_or(Seconds(0)));
  std::size_t at = 0;
  while (at < chosen_.size()) {
    if (chosen_[at]->try_lock_shared_for(while_holding)) {
      held_.push_back(chosen_[at++]);
    } else if (longest_wait && Clock::now() >= given_up) {
      ++at;
    } else if (!held_.empty()) {
      release();
      std::rotate(chosen_.begin(), chosen_.begin() + static_cast<std::ptrdiff_t>(at),
                  chosen_.end());
      at = 0;
    }
  }
}

void Still::release() {
  for (const auto& mutex : held_) mutex->unlock_shared();
  held_.clear();
}

}  // namespace unitgain::nn
