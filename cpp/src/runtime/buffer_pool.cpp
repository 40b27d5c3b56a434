#include "runtime/buffer_pool.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <list>
#include <mutex>
#include <new>

#include "base/system.hpp"
#include "unitgain/error.hpp"

namespace unitgain::runtime {

namespace {

constexpr auto page = static_cast<Index>(base::page_bytes);
constexpr Index default_limit = Index{1} << 28;

// Sizes are rounded up to eighths of a power of two: at most an eighth is lost, and arrays of
// nearly one size share their memory.
Index rounded(Index bytes) {
  const auto wanted = static_cast<std::uint64_t>(std::max(bytes, page));
  const auto step = std::max<std::uint64_t>(std::bit_floor(wanted) / 8, page);
  return static_cast<Index>((wanted + step - 1) / step * step);
}

// nullptr if there is no memory.
std::byte* map(Index bytes) noexcept {
  const auto size = static_cast<std::size_t>(bytes);
  void* memory = base::map_pages(size);
  if (memory != nullptr && size >= base::huge_page_bytes) base::prefer_huge_pages(memory, size);
  return static_cast<std::byte*>(memory);
}

struct Kept {
  std::byte* memory;
  Index bytes;
};

class Pool {
 public:
  std::byte* take(Index bytes) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::find_if(kept_.begin(), kept_.end(),
                                      [bytes](const Kept& kept) { return kept.bytes == bytes; });
      if (found != kept_.end()) {
        std::byte* memory = found->memory;
        kept_.erase(found);
        bytes_ -= bytes;
        return memory;
      }
    }
    std::byte* memory = map(bytes);
    if (memory == nullptr) {
      release();  // what is kept may be what is missing
      memory = map(bytes);
    }
    return memory;
  }

  void give_back(std::byte* memory, Index bytes) {
    std::list<Kept> dropped;
    {
      const std::lock_guard lock(mutex_);
      kept_.push_front({memory, bytes});
      bytes_ += bytes;
      drop_to_limit(dropped);
    }
    unmap(dropped);
  }

  Index bytes() {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  Index limit() {
    const std::lock_guard lock(mutex_);
    return limit_;
  }
  void set_limit(Index limit) {
    std::list<Kept> dropped;
    {
      const std::lock_guard lock(mutex_);
      limit_ = limit;
      drop_to_limit(dropped);
    }
    unmap(dropped);
  }
  void release() {
    std::list<Kept> dropped;
    {
      const std::lock_guard lock(mutex_);
      dropped.swap(kept_);
      bytes_ = 0;
    }
    unmap(dropped);
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void drop_to_limit(std::list<Kept>& dropped) {
    while (bytes_ > limit_) {
      bytes_ -= kept_.back().bytes;
      dropped.splice(dropped.end(), kept_, std::prev(kept_.end()));
    }
  }
  static void unmap(const std::list<Kept>& dropped) {
    for (const Kept& kept : dropped) {
      base::unmap_pages(kept.memory, static_cast<std::size_t>(kept.bytes));
    }
  }

  std::mutex mutex_;
  std::list<Kept> kept_;  // last released first
  Index bytes_ = 0;
  Index limit_ = default_limit;
};

// Never destroyed: arrays may be released while the process ends.
Pool& pool = *new Pool();

// A child of fork() must not find the lock held by a thread that it does not have.
[[maybe_unused]] const int fork_handler =
    base::at_fork([] { pool.lock(); }, [] { pool.unlock(); }, [] { pool.unlock(); });

}  // namespace

std::byte* take_buffer(Index bytes, const char* purpose) {
  std::byte* memory = pool.take(rounded(bytes));
  if (memory == nullptr) throw MemoryError(static_cast<std::size_t>(bytes), purpose);
  return memory;
}

void give_back_buffer(std::byte* buffer, Index bytes) noexcept {
  try {
    pool.give_back(buffer, rounded(bytes));
  } catch (const std::bad_alloc&) {
    base::unmap_pages(buffer, static_cast<std::size_t>(rounded(bytes)));
  }
}

Index kept_bytes() {
  return pool.bytes();
}

Index kept_limit() {
  return pool.limit();
}

void set_kept_limit(Index bytes) {
  pool.set_limit(bytes);
}

void release_kept() {
  pool.release();
}

}  // namespace unitgain::runtime
