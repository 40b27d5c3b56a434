#include "runtime/cache_sizes.hpp"

#include <algorithm>
#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace unitgain::runtime {

namespace {

std::atomic<Index> second_level{0};  // 0: not yet asked for
std::atomic<Index> third_level{0};

Index ask(int name, Index usual) {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const long size = sysconf(name);
  if (size > 0) return size;
#else
  (void)name;
#endif
  return usual;
}

}  // namespace

CacheSizes cache_sizes() {
  CacheSizes sizes{second_level.load(std::memory_order_relaxed),
                   third_level.load(std::memory_order_relaxed)};
  if (sizes.second > 0 && sizes.third > 0) return sizes;
#if defined(_SC_LEVEL2_CACHE_SIZE)
  constexpr int second = _SC_LEVEL2_CACHE_SIZE, third = _SC_LEVEL3_CACHE_SIZE;
#else
  constexpr int second = 0, third = 0;
#endif
  sizes.second = ask(second, 512 * 1024);
  sizes.third = std::max(sizes.second, ask(third, 0));
  second_level.store(sizes.second, std::memory_order_relaxed);
  third_level.store(sizes.third, std::memory_order_relaxed);
  return sizes;
}

}  // namespace unitgain::runtime
