#include "runtime/threading_layer.hpp"

#include <atomic>
#include <cstdlib>

#include "base/system.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace runtime {

namespace {

#if UNITGAIN_HAS_OPENMP
constexpr bool has_openmp = true;
#else
constexpr bool has_openmp = false;
#endif

std::atomic<const ThreadingLayer*> in_use{nullptr};  // null: not yet asked for
std::atomic<const std::string*> openmp_object{nullptr};
std::atomic<const ThreadingLayer*> openmp{nullptr};  // of that object, or linked in

// OpenMP's threads are not those of a forked child, and its library would wait for them for ever.
// Whether somebody in the parent has used it is not to be found out, so a child has the pool.
std::atomic<bool> forked{false};

[[maybe_unused]] const int fork_handler = base::at_fork(nullptr, nullptr, [] {
  forked.store(true);
  if (in_use.load() != nullptr) in_use.store(&pool_layer);
});

// No lock, which a forked child could find held: threads that come at once find the same object.
const ThreadingLayer& openmp_layer(const std::string& setting) {
  if (!has_openmp) {
    throw ValueError(setting + " is openmp, but this build has no OpenMP (UNITGAIN_OPENMP)");
  }
  const ThreadingLayer* known = openmp.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  const std::string* path = openmp_object.load(std::memory_order_acquire);
  if (path == nullptr) {
    throw ValueError(setting +
                     " is openmp, but this program is not linked with that layer: it has to call "
                     "unitgain::set_threading_layer");
  }
  std::string problem;
  const void* layer = base::symbol_of_object(*path, "unitgain_openmp_layer", problem);
  if (layer == nullptr) {
    throw ValueError(setting + " is openmp, but it cannot be loaded: " + problem);
  }
  known = static_cast<const ThreadingLayer*>(layer);
  openmp.store(known, std::memory_order_release);
  return *known;
}

// `setting` says in errors what has named the layer.
const ThreadingLayer& find_layer(const std::string& name, const std::string& setting) {
  if (name == pool_layer.name) return pool_layer;
  if (name == "openmp") return openmp_layer(setting);
  throw ValueError(setting + " is '" + name + "', expected one of pool, openmp");
}

const ThreadingLayer& layer_of_environment() {
  const char* wanted = std::getenv("UNITGAIN_THREADING_LAYER");
  if (wanted == nullptr || *wanted == '\0') return pool_layer;
  if (forked.load() && std::string(wanted) == "openmp") return pool_layer;
  return find_layer(wanted, "UNITGAIN_THREADING_LAYER");
}

}  // namespace

const ThreadingLayer& threading_layer_in_use() {
  const ThreadingLayer* known = in_use.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  const ThreadingLayer& first = layer_of_environment();
  return in_use.compare_exchange_strong(known, &first) ? first : *known;
}

void choose_threading_layer(const std::string& name) {
  const std::string setting = "the threading layer";
  if (name == "openmp" && forked.load()) {
    throw ValueError(setting + " is openmp, but OpenMP's threads do not work in a forked process");
  }
  in_use.store(&find_layer(name, setting), std::memory_order_release);
}

int link_openmp_layer(const ThreadingLayer& layer) {
  openmp.store(&layer, std::memory_order_release);
  return 0;
}

void set_openmp_object(const std::string& path) {
  openmp_object.store(new std::string(path), std::memory_order_release);  // for ever
}

}  // namespace runtime

std::string threading_layer() {
  return runtime::threading_layer_in_use().name;
}

std::vector<std::string> threading_layers() {
  if (runtime::has_openmp) return {"pool", "openmp"};
  return {"pool"};
}

}  // namespace unitgain
