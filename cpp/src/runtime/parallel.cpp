// The threads behind teams.
//
// Why not OpenMP's: at the end of a region its threads look for each other for milliseconds without
// sleeping. Where other processes use the CPUs too, a member that looks keeps the one that it
// waits for from running, and work of 0.4 ms took 10. Here who comes late is left out, who waits
// goes to sleep, and a forked child starts threads of its own.
#include "runtime/parallel.hpp"

#include <pthread.h>
#include <sched.h>
#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace {

std::atomic<int> default_threads{0};  // 0: not yet asked for
thread_local int thread_override = 0;

// The CPUs that this process may use.
int count_cpus() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// OMP_NUM_THREADS may be a list, one number for each level of nesting: the first counts.
int threads_from_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text != nullptr) {
    const long threads = std::strtol(text, nullptr, 10);
    if (threads >= 1 && threads <= 1 << 16) return static_cast<int>(threads);
  }
  return count_cpus();
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

// How often a waiting thread looks before it sleeps. A pause takes some 140 cycles on Intel's CPUs
// since Skylake and 40 to 65 on AMD's: 6000 looks are 0.1 to 0.3 ms. Looking is worth more than the
// time to be woken: who wakes a sleeper draws it to its own CPU, where the two then take turns. (On
// two cores, products of 1024 x 1024 after a rest: median 6.9 ms, with 1000 looks 11.)
constexpr int barrier_looks = 6000;
// An idle worker looks about as long, so that it is there for a step that follows the last at once.
constexpr int idle_looks = 4000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits until `word` is no longer `old`.
void wait_while_equal(std::atomic<std::uint32_t>& word, std::uint32_t old, int looks) {
  for (int look = 0; look < looks; ++look) {
    if (word.load(std::memory_order_acquire) != old) return;
    pause();
  }
  while (word.load(std::memory_order_acquire) == old) word.wait(old, std::memory_order_acquire);
}

// Asks for time slices of a tenth of a millisecond for the calling thread, which lets it preempt a
// thread with longer slices when it is woken (Linux 6.12 and later; older ones take no notice). A
// CPU may be held by another library's thread that is looking for work: PyTorch's do so for
// milliseconds after each of its operations.
void ask_for_short_slices() {
#if defined(__linux__) && defined(SYS_sched_setattr)
  struct {  // struct sched_attr, version 0
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } attributes = {};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_OTHER;
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  attributes.runtime = 100'000;  // nanoseconds
  syscall(SYS_sched_setattr, 0, &attributes, 0u);
#endif
}

int current_cpu() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

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

// Set while the thread is a member of a team: what it calls then runs on it alone.
thread_local bool in_team = false;

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
    if (caller_cpu >= 0 && caller_cpu != kept_off_) keep_off(caller_cpu);
    Job* expected = nullptr;
    if (!job_.compare_exchange_strong(expected, job, std::memory_order_acq_rel)) return false;
    calls_.fetch_add(1, std::memory_order_release);
    calls_.notify_one();
    return true;
  }

  // Takes the offer back; false if the worker has accepted it.
  bool retract(Job* job) {
    return job_.compare_exchange_strong(job, nullptr, std::memory_order_acq_rel);
  }

 private:
  [[noreturn]] void work() {
    sigset_t all;  // signals are for the program's own threads
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ask_for_short_slices();
    in_team = true;
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
  // products above was 10 ms. Called under the pool's lock.
  void keep_off(int cpu) {
    kept_off_ = cpu;
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    CPU_CLR(static_cast<std::size_t>(cpu), &allowed);
    if (CPU_COUNT(&allowed) > 0) pthread_setaffinity_np(thread_, sizeof allowed, &allowed);
#endif
  }

  static void take_part(Job& job) {
    const int rank = job.accepted.fetch_add(1, std::memory_order_acq_rel) + 1;
    wait_while_equal(job.size, 0, barrier_looks);
    const auto size = static_cast<int>(job.size.load(std::memory_order_acquire));
    job.body(job.context, Team(rank, size, &job.barrier));
    job.finished.fetch_add(1, std::memory_order_release);
    job.finished.notify_one();
  }

  // Stands in job_ for the job that the worker is doing.
  static Job* busy() {
    static constinit Job mark{};
    return &mark;
  }

  pthread_t thread_;
  int kept_off_ = -1;
  std::atomic<Job*> job_{nullptr};
  std::atomic<std::uint32_t> calls_{0};
};

// All workers, of all callers: a caller takes those that are idle, so that many callers at once do
// not ask for more threads than there are.
class Pool {
 public:
  // Offers the job to up to `wanted` idle workers; `offered` becomes those that got the offer.
  // Where too few are idle more are started, until there is one for each CPU or as many as are
  // wanted.
  void offer(Job* job, int wanted, std::vector<Worker*>& offered) {
    const std::lock_guard lock(mutex_);
    // Among many CPUs a woken thread finds an idle one by itself.
    constexpr int few_cpus = 8;
    const int caller_cpu = cpus_ <= few_cpus ? current_cpu() : -1;
    const auto most = static_cast<std::size_t>(std::max(wanted, cpus_ - 1));
    offered.clear();
    for (std::size_t i = 0; offered.size() < static_cast<std::size_t>(wanted); ++i) {
      if (i == workers_.size() && (exhausted_ || i >= most || !start_worker())) break;
      if (workers_[i]->offer(job, caller_cpu)) offered.push_back(workers_[i].get());
    }
  }

 private:
  // False when the system gives no more threads: then those there are must do.
  bool start_worker() {
    try {
      workers_.push_back(std::make_unique<Worker>());
    } catch (const std::system_error&) {
      exhausted_ = true;
    }
    return !exhausted_;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool exhausted_ = false;
  int cpus_ = count_cpus();
};

// Never destroyed: at exit its threads may still be looking for work.
std::atomic<Pool*> the_pool{new Pool};

// A forked child has none of the threads, and perhaps a locked mutex. Registered when the library
// is loaded, so that no fork is missed.
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, [] {
  the_pool.store(new Pool, std::memory_order_release);
  in_team = false;
});

// Waits for the workers to accept; then who has not is left out. Returns how many have.
int close_team(Job& job, const std::vector<Worker*>& offered, double patience) {
  using Clock = std::chrono::steady_clock;
  const auto everybody = static_cast<int>(offered.size());
  const auto deadline =
      Clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(patience));
  constexpr int looks_per_time = 16;
  for (int look = 1; job.accepted.load(std::memory_order_acquire) < everybody; ++look) {
    if (look % looks_per_time == 0 && Clock::now() > deadline) break;
    pause();
  }
  int members = 0;
  for (Worker* worker : offered) members += worker->retract(&job) ? 0 : 1;
  return members;
}

}  // namespace

void Barrier::wait(int members) {
  const std::uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(members)) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  wait_while_equal(phase_, phase, barrier_looks);
}

double patience_for(double work) {
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
  return {threads, patience_for(work)};
}

void run_team(TeamSize size, void (*body)(void*, const Team&), void* context) {
  if (in_team) return body(context, Team());
  Job job{body, context, {}, {}, {}, {}};
  thread_local std::vector<Worker*> offered;  // kept between calls for its memory
  the_pool.load(std::memory_order_acquire)->offer(&job, size.threads - 1, offered);
  const int workers = close_team(job, offered, size.patience);
  job.size.store(static_cast<std::uint32_t>(workers + 1), std::memory_order_release);
  job.size.notify_all();
  in_team = true;
  body(context, Team(0, workers + 1, &job.barrier));
  in_team = false;
  for (std::uint32_t done = 0; done < static_cast<std::uint32_t>(workers);
       done = job.finished.load(std::memory_order_acquire)) {
    wait_while_equal(job.finished, done, barrier_looks);
  }
}

}  // namespace runtime

}  // namespace unitgain
