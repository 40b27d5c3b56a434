#include "runtime/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/contracts/contracts.hpp"
#include "runtime/cpu.hpp"
#include "runtime/int8_kernels.hpp"
#include "runtime/threading_layer.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace simd {
#if UNITGAIN_HAS_BASELINE
namespace baseline {
extern const KernelTable table;
extern const Int8GemmKernels int8_gemm;
}  // namespace baseline
#endif
#if UNITGAIN_HAS_AVX2
namespace avx2 {
extern const KernelTable table;
extern const Int8GemmKernels int8_gemm;
}  // namespace avx2
#endif
#if UNITGAIN_HAS_AVX512
namespace avx512 {
extern const KernelTable table;
extern const Int8GemmKernels int8_gemm, int8_gemm_vnni;
}  // namespace avx512
#endif
#if UNITGAIN_HAS_AMX
namespace amx {
extern const KernelTable table;
}
#endif
}  // namespace simd

namespace runtime {

namespace {

struct Variant {
  const char* name;
  const simd::KernelTable* table;
  std::string (*missing)();
  const simd::Int8GemmKernels* int8;
  const simd::Int8GemmKernels* int8_vnni = nullptr;
};

constexpr Variant built[] = {
#if UNITGAIN_HAS_BASELINE
    {"baseline", &simd::baseline::table, missing_for_baseline, &simd::baseline::int8_gemm},
#endif
#if UNITGAIN_HAS_AVX2
    {"avx2", &simd::avx2::table, missing_for_avx2, &simd::avx2::int8_gemm},
#endif
#if UNITGAIN_HAS_AVX512
    {"avx512", &simd::avx512::table, missing_for_avx512, &simd::avx512::int8_gemm,
     &simd::avx512::int8_gemm_vnni},
#endif
#if UNITGAIN_HAS_AMX
    {"amx", &simd::amx::table, missing_for_amx, &simd::avx512::int8_gemm,
     &simd::avx512::int8_gemm_vnni},
#endif
};

struct Choice {
  std::string name;
  const simd::KernelTable* table;
  bool has_bf16;
  const simd::Int8GemmKernels* plain_int8;
  const simd::Int8GemmKernels* int8;
};

Choice choice_of(const Variant& variant) {
  const bool by_vnni = variant.int8_vnni != nullptr && has_avx512_vnni();
  return {variant.name, variant.table, has_avx512_bf16(), variant.int8,
          by_vnni ? variant.int8_vnni : variant.int8};
}

Choice choose() {
  const char* wanted = std::getenv("UNITGAIN_ISA");
  if (wanted != nullptr && *wanted != '\0') {
    std::string names;
    for (const Variant& variant : built) {
      if (std::string(wanted) == variant.name) {
        const std::string missing = variant.missing();
        if (!missing.empty()) {
          throw ValueError("UNITGAIN_ISA is " + std::string(wanted) + ", but this machine lacks " +
                           missing);
        }
        return choice_of(variant);
      }
      names += (names.empty() ? "" : ", ") + std::string(variant.name);
    }
    throw ValueError("UNITGAIN_ISA is '" + std::string(wanted) + "', expected one of " + names);
  }
  Choice choice{};
  std::string missing;
  for (const Variant& variant : built) {
    missing = variant.missing();
    if (!missing.empty()) break;
    choice = choice_of(variant);
  }
  if (choice.table == nullptr)
    throw ValueError("unitgain cannot run here: the CPU lacks " + missing);
  return choice;
}

std::atomic<bool> reproducible{false};

// Without a lock, which a child of fork() could find held by a thread that it does not have:
// choosing takes milliseconds where a hypervisor answers CPUID. Threads that come at once choose
// alike.
const Choice& chosen_for_cpu() {
  static constinit std::atomic<const Choice*> chosen{nullptr};
  const Choice* known = chosen.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  threading_layer_in_use();  // a wrong setting is an error of the first call, however small its
                             // work
  Choice made = choose();
#ifdef UNITGAIN_ASSERTIONS
  made.table = &with_contracts(*made.table);
  made.int8 = with_contracts(*made.int8, made.int8 == made.plain_int8 ? 0 : 1);
  made.plain_int8 = with_contracts(*made.plain_int8, 0);
#endif
  auto mine = std::make_unique<const Choice>(std::move(made));
  if (chosen.compare_exchange_strong(known, mine.get(), std::memory_order_acq_rel)) {
    known = mine.release();
  }
  return *known;
}

// Null if the build has none.
const Choice* baseline_choice() {
#if UNITGAIN_HAS_BASELINE
  static const Choice baseline{"baseline", &simd::baseline::table, false,
                               &simd::baseline::int8_gemm, &simd::baseline::int8_gemm};
  return &baseline;
#else
  return nullptr;
#endif
}

const Choice& choice() {
  return reproducible.load(std::memory_order_acquire) ? *baseline_choice() : chosen_for_cpu();
}

}  // namespace

const simd::KernelTable& kernel_table() {
  return *choice().table;
}

const simd::SplitGemmKernels* split_kernels(Precision precision) {
  const Choice& chosen = choice();
  return chosen.has_bf16 ? chosen.table->split[static_cast<int>(precision)] : nullptr;
}

const simd::Int8GemmKernels& int8_kernels() {
  return *choice().int8;
}

const simd::Int8GemmKernels& plain_int8_kernels() {
  return *choice().plain_int8;
}

}  // namespace runtime

std::vector<VariantStatus> variants() {
  std::vector<VariantStatus> all;
  for (const runtime::Variant& variant : runtime::built) {
    all.push_back({variant.name, variant.missing()});
  }
  return all;
}

void set_reproducible(bool on) {
  runtime::chosen_for_cpu();  // a CPU that can run nothing, or a wrong UNITGAIN_ISA, is an error
  if (on && runtime::baseline_choice() == nullptr) {
    throw ValueError("this build has no baseline variant, which is the same on every machine");
  }
  runtime::reproducible.store(on, std::memory_order_release);
}

bool is_reproducible() {
  return runtime::reproducible.load(std::memory_order_acquire);
}

const std::string& active_variant() {
  return runtime::choice().name;
}

}  // namespace unitgain
