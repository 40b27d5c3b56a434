#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

// Puts the layer back at the end of a test.
class LayerRestored {
 public:
  LayerRestored() = default;
  LayerRestored(const LayerRestored&) = delete;
  LayerRestored& operator=(const LayerRestored&) = delete;
  ~LayerRestored() { set_threading_layer(before_); }

 private:
  const std::string before_ = threading_layer();
};

std::string refusal(const std::string& name) {
  try {
    set_threading_layer(name);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

using ThreadIds = std::set<std::thread::id>;

// The threads that a team ran on.
ThreadIds threads_of_team(int threads) {
  std::mutex mutex;
  ThreadIds ids;
  runtime::parallel(threads, [&](const runtime::Team& team) {
    team.barrier();
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  return ids;
}

}  // namespace

UNITGAIN_TEST(an_unknown_threading_layer_is_an_error_that_lists_the_known) {
  const std::string before = threading_layer();
  CHECK(refusal("tbb") == "the threading layer is 'tbb', expected one of pool, openmp",
        refusal("tbb"));
  CHECK(threading_layer() == before, "nothing has changed");
}

UNITGAIN_TEST(each_threading_layer_has_teams_of_the_size_asked_for) {
  const LayerRestored restored;
  for (const std::string& layer : threading_layers()) {
    set_threading_layer(layer);
    CHECK(threading_layer() == layer, layer);
    for (const int threads : {1, 3, 2, 4}) {
      const auto team_size = threads_of_team(threads).size();
      CHECK(team_size == static_cast<std::size_t>(threads), layer << ": " << team_size);
    }
  }
}

#if !defined(_WIN32)

UNITGAIN_TEST(a_forked_child_of_any_threading_layer_has_the_pool) {
  const LayerRestored restored;
  for (const std::string& layer : threading_layers()) {
    set_threading_layer(layer);
    CHECK(threads_of_team(2).size() == 2, layer);
    const bool has_openmp = threading_layers().size() > 1;
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      const bool works = threading_layer() == "pool" && threads_of_team(3).size() == 3;
      const bool refuses = !has_openmp || refusal("openmp").find("forked") != std::string::npos;
      _exit((works ? 0 : 1) + (refuses ? 0 : 2));
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, layer << ": status " << status);
    CHECK(threading_layer() == layer && threads_of_team(2).size() == 2, "the parent's team");
  }
}

#endif

#if defined(_OPENMP)

UNITGAIN_TEST(the_openmp_layer_has_the_threads_of_the_callers_regions) {
  const LayerRestored restored;
  set_threading_layer("openmp");
  std::mutex mutex;
  ThreadIds ids;
#pragma omp parallel num_threads(3)
  {
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  }
  CHECK(ids.size() == 3, "threads: " << ids.size());
  CHECK(threads_of_team(3) == ids, "the same threads");
}

UNITGAIN_TEST(a_smaller_team_of_the_openmp_layer_ends_no_threads) {
  const LayerRestored restored;
  set_threading_layer("openmp");
  const int before = num_threads();
  set_num_threads(4);
  const ThreadIds ids = threads_of_team(4);
  CHECK(threads_of_team(2).size() == 2, "a team of two");
  CHECK(threads_of_team(4) == ids, "the same threads");
  set_num_threads(before);
}

UNITGAIN_TEST(inside_a_parallel_region_the_openmp_layer_runs_on_the_caller_alone) {
  const LayerRestored restored;
  set_threading_layer("openmp");
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(4);  // OpenMP itself would nest
  std::atomic<int> alone{0};
#pragma omp parallel num_threads(2)
  {
    const ThreadIds ids = threads_of_team(2);
    alone += ids == ThreadIds{std::this_thread::get_id()} ? 1 : 0;
#pragma omp barrier
#pragma omp single
#pragma omp task
    alone += threads_of_team(2).size() == 1 ? 1 : 0;
  }
  omp_set_max_active_levels(levels);
  CHECK(alone == 3, "alone: " << alone);
}

UNITGAIN_TEST(the_openmp_layer_makes_do_with_fewer_threads_than_asked_for) {
  const LayerRestored restored;
  set_threading_layer("openmp");
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(0);  // every region has one thread
  const ThreadIds ids = threads_of_team(3);
  omp_set_max_active_levels(levels);
  CHECK(ids == ThreadIds{std::this_thread::get_id()}, "threads: " << ids.size());
}

#else

UNITGAIN_TEST(a_threading_layer_that_was_not_built_is_an_error_that_says_so) {
  CHECK(threading_layers() == std::vector<std::string>{"pool"}, "pool alone");
  CHECK(refusal("openmp") ==
            "the threading layer is openmp, but this build has no OpenMP (UNITGAIN_OPENMP)",
        refusal("openmp"));
}

#endif

}  // namespace unitgain::tests
