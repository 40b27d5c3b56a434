// How many threads a team has, who is in one, and where its threads meet.
#include "runtime/parallel.hpp"

#include <cstdlib>
#include <string>

#include "base/system.hpp"
#include "runtime/threading_layer.hpp"
#include "runtime/waiting.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace {

std::atomic<int> default_threads{0};  // 0: not yet asked for
thread_local int thread_override = 0;

// OMP_NUM_THREADS may be a list, one number for each level of nesting: the first counts.
int threads_from_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text != nullptr) {
    const long threads = std::strtol(text, nullptr, 10);
    if (threads >= 1 && threads <= 1 << 16) return static_cast<int>(threads);
  }
  return base::usable_cpus();
}

void check_threads(int threads, int least) {
  if (threads >= least) return;
  throw ValueError("the number of threads must be at least 1, but it is " +
                   std::to_string(threads));
}

}  // namespace

void set_num_threads(int threads) {
  check_threads(threads, 1);
  default_threads.store(threads, std::memory_order_relaxed);
}

int num_threads() {
  if (thread_override > 0) return thread_override;
  int threads = default_threads.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = threads_from_environment();
    default_threads.store(threads, std::memory_order_relaxed);
  }
  return threads;
}

int set_thread_override(int threads) {
  check_threads(threads, 0);
  const int before = thread_override;
  thread_override = threads;
  return before;
}

namespace runtime {

namespace {

// Set while the thread is in a team: what it calls then runs on it alone.
thread_local bool in_team = false;

// A child that one of them forks is in no team.
[[maybe_unused]] const int fork_handler = base::at_fork(nullptr, nullptr, [] { in_team = false; });

struct Call {
  TeamBody body;
  void* context;
};

void run_thread(void* call, const Team& team) {
  in_team = true;
  const auto [body, context] = *static_cast<Call*>(call);
  body(context, team);
  in_team = false;
}

}  // namespace

void Barrier::wait(int team_size) {
  const std::uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 ==
      static_cast<std::uint32_t>(team_size)) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    base::wake_all(phase_);
    return;
  }
  wait_while_equal(phase_, phase, barrier_looks);
}

double longest_wait_for(double work) {
  return std::clamp(work / 8, 5e3, 1e7);
}

TeamSize threads_for(double work, int barriers) {
  // A team costs a microsecond or two when its threads are looking for work and some tens when they
  // sleep; a barrier about half of one. So each thread should have at least this much to do for
  // each.
  constexpr double least_work = 8e3;
  const int available = num_threads();
  const double worth = work / (least_work * std::max(1, barriers));
  const int threads = worth < 2 ? 1 : static_cast<int>(std::min<double>(available, worth));
  return {threads, longest_wait_for(work)};
}

void run_team(TeamSize size, TeamBody body, void* context) {
  if (in_team) return body(context, Team());
  Call call{body, context};
  threading_layer_in_use().run(size, num_threads(), &run_thread, &call);
}

}  // namespace runtime

}  // namespace unitgain
