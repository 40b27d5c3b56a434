// Where the threads of teams come from: the library's own threads, or OpenMP's.
#pragma once

#include <string>

#include "runtime/parallel.hpp"

namespace unitgain::runtime {

// `run` runs body(context, team) on each thread of a team of at most size.threads, of which the
// caller is rank 0, and returns when all are done. `available` is how many threads the largest team
// could have now. A layer is constant and lives for ever.
struct ThreadingLayer {
  const char* name;
  void (*run)(TeamSize size, int available, TeamBody body, void* context);
};

extern const ThreadingLayer pool_layer;

// The layer that the next team is of: the one chosen last, or the one that UNITGAIN_THREADING_LAYER
// names, or the pool. Throws ValueError if UNITGAIN_THREADING_LAYER names one that cannot be had.
const ThreadingLayer& threading_layer_in_use();

// Throws ValueError, and changes nothing, if the layer is unknown or cannot be had.
void choose_threading_layer(const std::string& name);

// Says that the program is linked with the OpenMP layer. The result is a value to initialise
// something with.
int link_openmp_layer(const ThreadingLayer& layer);

// Says which shared object has the OpenMP layer, for a program that is not linked with it. It is
// loaded when the layer is asked for, and OpenMP's library with it.
void set_openmp_object(const std::string& path);

}  // namespace unitgain::runtime

// The OpenMP layer, of openmp.cpp: linked in, or found in the shared object by this name.
extern "C" const unitgain::runtime::ThreadingLayer unitgain_openmp_layer;
