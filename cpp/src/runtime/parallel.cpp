#include "runtime/parallel.hpp"

#include <pthread.h>

#include <atomic>
#include <string>

#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace {

std::atomic<int> default_threads{0};  // 0: not yet asked for
thread_local int thread_override = 0;
std::atomic<bool> forked_child{false};

// OpenMP's worker threads do not exist in a forked child, and a team that waited for them would
// wait for ever. Registered when the library is loaded, so that no fork is missed.
[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { forked_child.store(true, std::memory_order_relaxed); });

}  // namespace

void set_num_threads(int threads) {
  if (threads < 1) {
    throw ValueError("the number of threads must be at least 1, but it is " +
                     std::to_string(threads));
  }
  default_threads.store(threads, std::memory_order_relaxed);
}

int num_threads() {
  if (thread_override > 0) return thread_override;
  int threads = default_threads.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = omp_get_max_threads();
    default_threads.store(threads, std::memory_order_relaxed);
  }
  return threads;
}

int set_thread_override(int threads) {
  if (threads < 0) {
    throw ValueError("the number of threads must be at least 1, but it is " +
                     std::to_string(threads));
  }
  const int before = thread_override;
  thread_override = threads;
  return before;
}

namespace runtime {

namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

void Barrier::wait(int members) {
  constexpr int looks = 1000;  // 50 microseconds where a pause takes 140 cycles, less elsewhere
  const std::uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(members)) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  for (int look = 0; look < looks; ++look) {
    if (phase_.load(std::memory_order_acquire) != phase) return;
    pause();
  }
  phase_.wait(phase, std::memory_order_acquire);
}

int threads_for(double work, int barriers) {
  // A region costs 2 to 5 microseconds once its threads spin and tens when they sleep; a barrier
  // about one when all members run, and much more where they compete for CPUs. So each thread
  // should have at least this much to do for each.
  constexpr double least_work = 8e3;
  const int available = num_threads();
  const double worth = work / (least_work * std::max(1, barriers));
  return worth < 2 ? 1 : static_cast<int>(std::min<double>(available, worth));
}

bool can_fork_team() {
  return !forked_child.load(std::memory_order_relaxed) && !omp_in_parallel();
}

}  // namespace runtime

}  // namespace unitgain
