// Networks and optimizers, which threads change step by step: how others read, copy or fork them
// between two steps.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

namespace unitgain::nn {

using StepMutex = std::shared_timed_mutex;

// Steps hold its mutex alone, who reads between two of them shared. The process knows all objects
// that are enlisted; a forked child finds the mutexes of all free.
class Stepped {
 public:
  Stepped() = default;
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;
  virtual ~Stepped() { withdraw(); }

  StepMutex& steps() const { return *steps_; }

 protected:
  // The last act of a constructor: `memory` is where the arrays begin that steps change.
  void enlist(std::vector<const void*> memory);
  // The first of a destructor.
  void withdraw();

 private:
  friend class Still;
  friend struct Enlisted;
  // In a forked child: makes the other locks anew that one of the parent's threads may hold.
  virtual void renew_locks() {}

  std::shared_ptr<StepMutex> steps_ = std::make_shared<StepMutex>();
  std::vector<const void*> memory_;
};

// Held through a step, or another change, of an object.
class StepLock {
 public:
  explicit StepLock(const Stepped& object);
  StepLock(const StepLock&) = delete;
  StepLock& operator=(const StepLock&) = delete;
  ~StepLock();
  // Whether the calling thread is in a step of the object with this mutex.
  static bool is_in(const StepMutex& mutex);

 private:
  StepMutex& mutex_;
  const StepLock* outer_;
};

// Holds objects between two of their steps; not those in whose step the calling thread is.
class Still {
 public:
  using Seconds = std::chrono::duration<double>;

  // Those whose steps change one of the arrays at `memory`; without it, all.
  explicit Still(std::optional<std::span<const void* const>> memory);
  Still(const Still&) = delete;
  Still& operator=(const Still&) = delete;
  ~Still() { release(); }

  // Waits for the steps that run, for so long at most if a longest wait is given: what is in the
  // middle of one then stays so.
  void hold(std::optional<Seconds> longest_wait = {});
  void release();

 private:
  std::vector<std::shared_ptr<StepMutex>> chosen_, held_;
};

}  // namespace unitgain::nn
