// The threading layer of OpenMP's threads, for programs that use them too. It is compiled apart from
// the rest, for a program or a shared object of its own, because OpenMP's library comes with it.
#include <omp.h>

#include "runtime/threading_layer.hpp"

namespace unitgain::runtime {

namespace {

void run(TeamSize size, TeamBody body, void* context) {
  // The caller's own region has the threads.
  if (omp_in_parallel()) return body(context, Team());
  Barrier barrier;
#pragma omp parallel num_threads(size.threads)
  {
    // OMP_THREAD_LIMIT and OMP_DYNAMIC may make the team smaller, never once it runs.
    body(context, Team(omp_get_thread_num(), omp_get_num_threads(), &barrier));
  }
}

}  // namespace

}  // namespace unitgain::runtime

extern "C" __attribute__((visibility("default")))
const unitgain::runtime::ThreadingLayer unitgain_openmp_layer = {"openmp",
                                                                 &unitgain::runtime::run};
