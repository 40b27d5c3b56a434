// How a stack of equal problems is split over threads.
#pragma once

#include <cstddef>

#include "runtime/parallel.hpp"
#include "runtime/workspace.hpp"

namespace unitgain::linalg {

// What one problem takes, roughly.
struct Cost {
  double nanoseconds;  // on one thread
  Index barriers;      // how often the members of a team would wait for each other
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
  const Index bytes = (workspace_bytes(deal ? 1 : size.threads) + 63) / 64 * 64;
  std::byte* const workspace = runtime::thread_workspace(deal ? bytes * size.threads : bytes);
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

}  // namespace unitgain::linalg
