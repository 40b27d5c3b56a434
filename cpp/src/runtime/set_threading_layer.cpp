// In a file of its own, so that of the programs that link the static library only those that call
// it get the OpenMP layer, and OpenMP's library, with it.
#include "runtime/threading_layer.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

#if UNITGAIN_HAS_OPENMP
[[maybe_unused]] static const int linked = runtime::link_openmp_layer(unitgain_openmp_layer);
#endif

void set_threading_layer(const std::string& name) {
  runtime::choose_threading_layer(name);
}

}  // namespace unitgain
