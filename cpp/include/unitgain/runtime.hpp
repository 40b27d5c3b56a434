// The instruction set that runs, the threads, the memory that is kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain {

struct VariantStatus {
  std::string name;     // baseline, avx2, avx512 or amx
  std::string missing;  // what the CPU or the operating system lacks for it; empty if it can run
};

// The variants that this build contains, from the oldest CPUs' to the newest, with whether each can
// run here.
std::vector<VariantStatus> variants();

// The variant that runs: the newest that can, or the one that UNITGAIN_ISA names. Chosen at the
// first call of anything; throws ValueError if UNITGAIN_ISA names an unknown variant or one that
// cannot run.
const std::string& active_variant();

// Lets every machine of an architecture give the same bits, or not (as it starts): the baseline
// variant runs, whatever the CPU can do and UNITGAIN_ISA says, and sums are cut as for caches of a
// fixed size. May be called at any time when nothing computes; what was packed before is to be
// packed again. Throws ValueError if the build has no baseline.
void set_reproducible(bool on);
bool is_reproducible();

// Threads for one operation, at most. The number starts as OMP_NUM_THREADS, or as the CPUs that
// this process may use. Operations too small to gain run on the caller, and threads that are busy
// elsewhere are not waited for.
void set_num_threads(int threads);
int num_threads();

// Overrides num_threads() for the calling thread, until set again; 0 ends the override. Returns the
// override that was in force.
int set_thread_override(int threads);

// The layer that the threads of operations come from, for the whole process: "pool", threads of the
// library's own, or "openmp", OpenMP's, shared with the program. It starts as
// UNITGAIN_THREADING_LAYER, or as the pool. Under openmp a call inside a parallel region runs on
// the calling thread alone. A forked child has the pool. Throws ValueError if the layer is unknown,
// or cannot be had: not in this build (CMake's UNITGAIN_OPENMP), or asked for in a forked child. A
// program that calls it is linked with -fopenmp where the library was built with OpenMP.
void set_threading_layer(const std::string& name);
// The layer in use; throws ValueError if UNITGAIN_THREADING_LAYER names one that cannot be had.
std::string threading_layer();
// The layers that this build contains.
std::vector<std::string> threading_layers();

// The precision of the products of float32 matrices that name none, for the whole process; highest
// at the start.
void set_float32_matmul_precision(Precision precision);
// The precision in force for the calling thread.
Precision float32_matmul_precision();

// Overrides float32_matmul_precision() for the calling thread, until set again; none ends the
// override. Returns the override that was in force.
std::optional<Precision> set_precision_override(std::optional<Precision> precision);

}  // namespace unitgain
