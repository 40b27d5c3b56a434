// The threading layer of OpenMP's threads, for programs that use them too. It is compiled apart
// from the rest, for a program or a shared object of its own, because OpenMP's library comes with
// it.
#include <omp.h>

#include <algorithm>

#include "runtime/threading_layer.hpp"

namespace unitgain::runtime {

namespace {

void run(TeamSize size, int available, TeamBody body, void* context) {
  // The caller's own region has the threads.
  if (omp_in_parallel()) return body(context, Team());
  Barrier barrier;
  // Every region has all the threads, as those of PyTorch do, and who is too many leaves at once:
  // a smaller region would end threads that the next one has to start again.
#pragma omp parallel num_threads(std::max(size.threads, available))
  {
    // OMP_THREAD_LIMIT and OMP_DYNAMIC may have made the region smaller than asked for.
    const int team_size = std::min(size.threads, omp_get_num_threads());
    const int rank = omp_get_thread_num();
    if (rank < team_size) body(context, Team(rank, team_size, &barrier));
  }
}

}  // namespace

}  // namespace unitgain::runtime

extern "C" __attribute__((visibility("default")))
const unitgain::runtime::ThreadingLayer unitgain_openmp_layer = {"openmp", &unitgain::runtime::run};
