// How a thread waits for another: for some tenths of a millisecond by looking again and again, then
// asleep.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/system.hpp"

namespace unitgain::runtime {

// How often a waiting thread looks before it sleeps. A pause takes some 140 cycles on Intel's CPUs
// since Skylake and 40 to 65 on AMD's: 6000 looks are 0.1 to 0.3 ms. Looking is worth more than the
// time to be woken: who wakes a sleeper draws it to its own CPU, where the two then take turns. (On
// two cores, products of 1024 x 1024 after a rest: median 6.9 ms, with 1000 looks 11.)
inline constexpr int barrier_looks = 6000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits until `word` is no longer `old`.
inline void wait_while_equal(std::atomic<std::uint32_t>& word, std::uint32_t old, int looks) {
  for (int look = 0; look < looks; ++look) {
    if (word.load(std::memory_order_acquire) != old) return;
    pause();
  }
  while (word.load(std::memory_order_acquire) == old) base::sleep_while_equal(word, old);
}

}  // namespace unitgain::runtime
