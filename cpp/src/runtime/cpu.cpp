#include "runtime/cpu.hpp"

#include <cstdint>
#include <initializer_list>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/system.hpp"

namespace unitgain::runtime {

#if defined(__x86_64__)

namespace {

struct Registers {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

// CPUID leaf and subleaf; zeros when the CPU does not have the leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool bit(std::uint32_t word, int position) {
  return (word >> position) & 1u;
}

// XCR0: the register state that the operating system saves on a context switch.
std::uint64_t saved_state() {
  if (!bit(cpuid(1).c, 27)) return 0;  // OSXSAVE
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

constexpr std::uint64_t avx_state = 0x6;       // XMM and YMM
constexpr std::uint64_t avx512_state = 0xe6;   // and opmask, ZMM
constexpr std::uint64_t tile_state = 0x60000;  // TILECFG and TILEDATA

#if defined(UNITGAIN_EMULATE_AMX)
constexpr bool emulates_amx = true;
#else
constexpr bool emulates_amx = false;
#endif

struct Requirement {
  const char* name;
  bool met;
};

std::string missing(std::initializer_list<Requirement> requirements) {
  std::string names;
  for (const Requirement& requirement : requirements) {
    if (requirement.met) continue;
    if (!names.empty()) names += ", ";
    names += requirement.name;
  }
  return names;
}

std::string join(std::string first, const std::string& second) {
  if (!first.empty() && !second.empty()) first += ", ";
  return first + second;
}

}  // namespace

std::string missing_for_baseline() {
  const Registers one = cpuid(1);
  return missing({{"SSE3", bit(one.c, 0)},
                  {"SSSE3", bit(one.c, 9)},
                  {"SSE4.1", bit(one.c, 19)},
                  {"SSE4.2", bit(one.c, 20)},
                  {"POPCNT", bit(one.c, 23)}});
}

std::string missing_for_avx2() {
  const Registers one = cpuid(1), seven = cpuid(7), extended = cpuid(0x80000001);
  return join(missing_for_baseline(), missing({{"AVX", bit(one.c, 28)},
                                               {"FMA", bit(one.c, 12)},
                                               {"F16C", bit(one.c, 29)},
                                               {"MOVBE", bit(one.c, 22)},
                                               {"AVX2", bit(seven.b, 5)},
                                               {"BMI1", bit(seven.b, 3)},
                                               {"BMI2", bit(seven.b, 8)},
                                               {"LZCNT", bit(extended.c, 5)},
                                               {"operating-system support for AVX registers",
                                                (saved_state() & avx_state) == avx_state}}));
}

std::string missing_for_avx512() {
  const Registers seven = cpuid(7);
  return join(missing_for_avx2(), missing({{"AVX512F", bit(seven.b, 16)},
                                           {"AVX512BW", bit(seven.b, 30)},
                                           {"AVX512CD", bit(seven.b, 28)},
                                           {"AVX512DQ", bit(seven.b, 17)},
                                           {"AVX512VL", bit(seven.b, 31)},
                                           {"operating-system support for AVX-512 registers",
                                            (saved_state() & avx512_state) == avx512_state}}));
}

std::string missing_for_amx() {
  const Registers seven = cpuid(7), seven_one = cpuid(7, 1);
  const bool instructions = bit(seven.d, 22) && bit(seven.d, 24);
  const bool saved = (saved_state() & tile_state) == tile_state;
  if (emulates_amx) {
    return join(missing_for_avx512(), missing({{"AVX512_BF16", has_avx512_bf16()}}));
  }
  return join(missing_for_avx512(), missing({{"AVX512_BF16", bit(seven_one.a, 5)},
                                             {"AMX-BF16", bit(seven.d, 22)},
                                             {"AMX-TILE", bit(seven.d, 24)},
                                             {"operating-system support for AMX tiles",
                                              saved && (!instructions || base::permits_tiles())}}));
}

bool has_avx512_bf16() {
  return bit(cpuid(7, 1).a, 5);
}

bool has_avx512_vnni() {
  static const bool has = bit(cpuid(7).c, 11);
  return has;
}

#else

bool has_avx512_bf16() {
  return false;
}
bool has_avx512_vnni() {
  return false;
}
std::string missing_for_baseline() {
  return {};
}  // NEON is part of armv8-a
std::string missing_for_avx2() {
  return "x86-64";
}
std::string missing_for_avx512() {
  return "x86-64";
}
std::string missing_for_amx() {
  return "x86-64";
}

#endif

}  // namespace unitgain::runtime
