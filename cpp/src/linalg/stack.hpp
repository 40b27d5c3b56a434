// How a stack of equal problems is split over threads.
#pragma once

#include <cstddef>

#include "runtime/parallel.hpp"
#include "runtime/workspace.hpp"

namespace unitgain::linalg {

// Calls solve(team, i, workspace) for each problem i of `count`. Each takes about `work`
// nanoseconds on one thread, and workspace_bytes(threads) of memory on a team of that many. Many
// problems, or small ones, are dealt out, one to a thread; a few large ones are each solved by all
// threads.
template <class Bytes, class Solve>
void solve_stack(Index count, double work, Bytes&& workspace_bytes, Solve&& solve) {
  const int threads = runtime::threads_for(work * static_cast<double>(count));
  const bool deal = threads > 1 && (count >= 4 * threads || runtime::threads_for(work) == 1);
  const Index bytes = (workspace_bytes(deal ? 1 : threads) + 63) / 64 * 64;
  std::byte* const workspace = runtime::thread_workspace(deal ? bytes * threads : bytes);
  runtime::parallel(threads, [&](const runtime::Team& team) {
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
