#include "runtime/cache_sizes.hpp"

#include <algorithm>
#include <atomic>

#include "base/system.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::runtime {

namespace {

std::atomic<Index> second_level{0};  // 0: not yet asked for
std::atomic<Index> third_level{0};

constexpr Index usual_second_level = 512 * 1024;  // where the system does not say

// In whose parts sums are cut where machines are to give the same bits.
constexpr CacheSizes same_everywhere = {usual_second_level, 8 << 20};

}  // namespace

CacheSizes cache_sizes() {
  if (is_reproducible()) return same_everywhere;
  CacheSizes sizes{second_level.load(std::memory_order_relaxed),
                   third_level.load(std::memory_order_relaxed)};
  if (sizes.second > 0 && sizes.third > 0) return sizes;
  sizes.second = static_cast<Index>(base::second_level_cache());
  if (sizes.second == 0) sizes.second = usual_second_level;
  sizes.third = std::max(sizes.second, static_cast<Index>(base::third_level_cache()));
  second_level.store(sizes.second, std::memory_order_relaxed);
  third_level.store(sizes.third, std::memory_order_relaxed);
  return sizes;
}

}  // namespace unitgain::runtime
