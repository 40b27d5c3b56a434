// How a stack of equal problems is split over threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"
#include "runtime/workspace.hpp"

namespace unitgain::linalg {

// The time of one problem, roughly.
struct Cost {
  double nanoseconds;  // on one thread
  Index barriers;      // how often the threads of a team would wait for each other
  const char* purpose = "the workspace of a decomposition";
};

// Calls solve(team, i, workspace) for each problem i of `count`, which needs
// workspace_bytes(threads) of memory on a team of that many. Many problems, or small ones, are
// dealt out, one to a thread; a few large ones are each solved by all threads.
template <class Bytes, class Solve>
void solve_stack(Index count, Cost cost, Bytes&& workspace_bytes, Solve&& solve) {
  // A barrier costs half a microsecond, and far more when other programs want the CPUs as well.
  constexpr double least_between_barriers = 10e3;
  const bool worth_a_team =
      cost.nanoseconds > least_between_barriers * static_cast<double>(cost.barriers);
  runtime::TeamSize size = runtime::threads_for(cost.nanoseconds * static_cast<double>(count));
  const bool deal = count > 1 && (count >= 4 * size.threads || !worth_a_team);
  if (!deal && !worth_a_team) size.threads = 1;
  const Index bytes = runtime::thread_bytes(workspace_bytes(deal ? 1 : size.threads));
  std::byte* const workspace =
      runtime::thread_workspace(deal ? bytes * size.threads : bytes, cost.purpose);
  runtime::parallel(size, [&](const runtime::Team& team) {
    if (deal) {
      const runtime::Range mine = team.share(count);
      for (Index i = mine.begin; i < mine.end; ++i) {
        solve(runtime::Team(), i, workspace + team.rank() * bytes);
      }
    } else {
      for (Index i = 0; i < count; ++i) {
        solve(team, i, workspace);
        team.barrier();
      }
    }
  });
}

// The problems of a stack that wait for an answer, while one method after the other is tried.
class Waiting {
 public:
  explicit Waiting(std::size_t count) : waits_(count, 1) {}

  Index count() const { return std::count(waits_.begin(), waits_.end(), 1); }

  std::vector<std::size_t> todo() const {
    std::vector<std::size_t> todo;
    for (std::size_t i = 0; i < waits_.size(); ++i) {
      if (waits_[i]) todo.push_back(i);
    }
    return todo;
  }

  // Many threads may call it at once.
  void settle(std::size_t problem) { waits_[problem] = 0; }

  // Calls attempt(team, i, workspace) for each problem i that waits, with carve(carver, threads) as
  // workspace; those for which it returns true wait no longer.
  template <class Carve, class Attempt>
  void attempt(Cost cost, Carve&& carve, Attempt&& attempt) {
    const std::vector<std::size_t> waiting = todo();
    if (waiting.empty()) return;
    solve_stack(
        static_cast<Index>(waiting.size()), cost,
        [&](int threads) {
          Carver carver(nullptr);
          carve(carver, threads);
          return carver.used();
        },
        [&](const runtime::Team& team, Index i, std::byte* memory) {
          Carver carver(memory);
          const auto workspace = carve(carver, team.size());
          const std::size_t problem = waiting[static_cast<std::size_t>(i)];
          const bool solved = attempt(team, problem, workspace);
          if (team.rank() == 0 && solved) settle(problem);
        });
  }

 private:
  std::vector<char> waits_;
};

}  // namespace unitgain::linalg
