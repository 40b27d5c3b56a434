// The threading layer of threads of the library's own.
//
// Why it is the default: at the end of a region OpenMP's threads look for each other for
// milliseconds without sleeping. Where other processes use the CPUs too, a thread that looks keeps
// the one that it waits for from running, and work of 0.4 ms took 10. Here who comes late is left
// out, who waits goes to sleep, and a forked child starts threads of its own.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/system.hpp"
#include "runtime/threading_layer.hpp"
#include "runtime/waiting.hpp"

namespace unitgain::runtime {

namespace {

// An idle worker looks about as long, so that it is there for a step that follows the last at once.
constexpr int idle_looks = 4000;

// One call of parallel(). It lives on the caller's stack; a worker touches it only between
// accepting its offer and counting itself as finished.
struct Job {
  void (*body)(void*, const Team&);
  void* context;
  Barrier barrier;
  std::atomic<int> accepted{0};
  std::atomic<std::uint32_t> size{0};  // of the team; 0 until the caller has closed it
  std::atomic<std::uint32_t> finished{0};
};

class Worker {
 public:
  Worker() {
    std::thread thread([this] { work(); });
    thread_ = thread.native_handle();
    thread.detach();
  }

  // False if the worker has a job. `caller_cpu` is a CPU to keep off, the caller's; -1: none.
  bool offer(Job* job, int caller_cpu) {
    if (job_.load(std::memory_order_relaxed) != nullptr) return false;
    if (caller_cpu >= 0 && caller_cpu != kept_off_.load(std::memory_order_relaxed)) {
      keep_off(caller_cpu);
    }
    Job* expected = nullptr;
    if (!job_.compare_exchange_strong(expected, job, std::memory_order_acq_rel)) return false;
    calls_.fetch_add(1, std::memory_order_release);
    base::wake_one(calls_);
    return true;
  }

  // Takes the offer back; false if the worker has accepted it.
  bool retract(Job* job) {
    return job_.compare_exchange_strong(job, nullptr, std::memory_order_acq_rel);
  }

 private:
  [[noreturn]] void work() {
    base::prepare_worker();
    std::uint32_t seen = 0;
    while (true) {
      wait_while_equal(calls_, seen, idle_looks);
      seen = calls_.load(std::memory_order_acquire);
      Job* job = job_.load(std::memory_order_acquire);
      if (job == nullptr || !job_.compare_exchange_strong(job, busy(), std::memory_order_acq_rel)) {
        continue;
      }
      take_part(*job);
      job_.store(nullptr, std::memory_order_release);
    }
  }

  // Bars the worker from the caller's CPU. A thread that is woken there, where it slept last, waits
  // until the caller is done or a tick moves it, while another CPU idles: the median of the
  // products above was 10 ms. Of several callers at once any may have the last word.
  void keep_off(int cpu) {
    kept_off_.store(cpu, std::memory_order_relaxed);
    base::keep_off(thread_, cpu);
  }

  static void take_part(Job& job) {
    const int rank = job.accepted.fetch_add(1, std::memory_order_acq_rel) + 1;
    wait_while_equal(job.size, 0, barrier_looks);
    const auto size = static_cast<int>(job.size.load(std::memory_order_acquire));
    job.body(job.context, Team(rank, size, &job.barrier));
    job.finished.fetch_add(1, std::memory_order_release);
    base::wake_one(job.finished);
  }

  // Stands in job_ for the job that the worker is doing.
  static Job* busy() {
    static constinit Job mark{};
    return &mark;
  }

  base::ThreadHandle thread_;
  std::atomic<int> kept_off_{-1};
  std::atomic<Job*> job_{nullptr};
  std::atomic<std::uint32_t> calls_{0};
};

// All workers, of all callers: a caller takes those that are idle, so that many callers at once do
// not ask for more threads than there are. Only who starts workers waits for another who does.
class Pool {
 public:
  // Offers the job to up to `wanted` idle workers; `offered` becomes those that got the offer.
  // Where too few are idle more are started, until there is one for each CPU or as many as are
  // wanted.
  void offer(Job* job, int wanted, std::vector<Worker*>& offered) {
    // Among many CPUs a woken thread finds an idle one by itself.
    constexpr int few_cpus = 8;
    const int caller_cpu = cpus_ <= few_cpus ? base::current_cpu() : -1;
    const std::size_t most =
        std::min(workers_.size(), static_cast<std::size_t>(std::max(wanted, cpus_ - 1)));
    offered.clear();
    for (std::size_t i = 0; offered.size() < static_cast<std::size_t>(wanted); ++i) {
      if (i >= count_.load(std::memory_order_acquire) && !(i < most && start_worker(i))) break;
      if (workers_[i]->offer(job, caller_cpu)) offered.push_back(workers_[i].get());
    }
  }

 private:
  // Sees to it that there are more workers than i; false when the system gives no more threads:
  // then those there are must do.
  bool start_worker(std::size_t i) {
    const std::lock_guard lock(mutex_);
    if (count_.load(std::memory_order_relaxed) > i) return true;
    if (exhausted_) return false;
    try {
      workers_[i] = std::make_unique<Worker>();
      count_.store(i + 1, std::memory_order_release);
    } catch (const std::system_error&) {
      exhausted_ = true;
    }
    return !exhausted_;
  }

  std::mutex mutex_;  // of who starts workers
  // So many that more would be no gain; callers read them while others are started.
  std::array<std::unique_ptr<Worker>, 4096> workers_;
  std::atomic<std::size_t> count_{0};
  bool exhausted_ = false;
  int cpus_ = base::usable_cpus();
};

// Never destroyed: at exit its threads may still be looking for work.
std::atomic<Pool*> the_pool{new Pool};

// A forked child has none of the threads, and perhaps a locked mutex. Registered when the library
// is loaded, so that no fork is missed.
[[maybe_unused]] const int fork_handler =
    base::at_fork(nullptr, nullptr, [] { the_pool.store(new Pool, std::memory_order_release); });

// Waits for the workers to accept; then who has not is left out. Returns how many have.
int close_team(Job& job, const std::vector<Worker*>& offered, double longest_wait) {
  using Clock = std::chrono::steady_clock;
  const auto everybody = static_cast<int>(offered.size());
  const auto deadline =
      Clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(longest_wait));
  constexpr int looks_per_time = 16;
  for (int look = 1; job.accepted.load(std::memory_order_acquire) < everybody; ++look) {
    if (look % looks_per_time == 0 && Clock::now() > deadline) break;
    pause();
  }
  int team_size = 0;
  for (Worker* worker : offered) team_size += worker->retract(&job) ? 0 : 1;
  return team_size;
}

void run(TeamSize size, int, TeamBody body, void* context) {
  Job job{body, context, {}, {}, {}, {}};
  thread_local std::vector<Worker*> offered;  // kept between calls for its memory
  the_pool.load(std::memory_order_acquire)->offer(&job, size.threads - 1, offered);
  const int workers = close_team(job, offered, size.longest_wait);
  job.size.store(static_cast<std::uint32_t>(workers + 1), std::memory_order_release);
  base::wake_all(job.size);
  body(context, Team(0, workers + 1, &job.barrier));
  for (std::uint32_t done = 0; done < static_cast<std::uint32_t>(workers);
       done = job.finished.load(std::memory_order_acquire)) {
    wait_while_equal(job.finished, done, barrier_looks);
  }
}

}  // namespace

const ThreadingLayer pool_layer = {"pool", &run};

}  // namespace unitgain::runtime
