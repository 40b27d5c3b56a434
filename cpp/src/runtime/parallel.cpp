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

int threads_for(double work) {
  // A region costs 2 to 5 microseconds once its threads spin and tens when they sleep, so each
  // thread should have at least this much to do.
  constexpr double least_work = 8e3;
  const int available = num_threads();
  if (available == 1 || work < 2 * least_work) return 1;
  return static_cast<int>(std::min<double>(available, work / least_work));
}

bool can_fork_team() {
  return !forked_child.load(std::memory_order_relaxed) && !omp_in_parallel();
}

}  // namespace runtime

}  // namespace unitgain
