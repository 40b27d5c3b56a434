#include "runtime/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/contracts/contracts.hpp"
#include "runtime/cpu.hpp"
#include "runtime/threading_layer.hpp"
#include "runtime/variants.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace simd {
#define UNITGAIN_DECLARE(variant, ...) \
  namespace variant {                  \
  extern const KernelTable table;      \
  }
UNITGAIN_VARIANTS(UNITGAIN_DECLARE)
#undef UNITGAIN_DECLARE
}  // namespace simd

namespace runtime {

namespace {

struct Variant {
  const char* name;
  const simd::KernelTable* table;
  std::string (*missing)();
};

#define UNITGAIN_ROW(variant, ...) {#variant, &simd::variant::table, missing_for_##variant},
constexpr Variant built[] = {UNITGAIN_VARIANTS(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

struct Choice {
  std::string name;
  std::size_t place;  // in built
  const simd::KernelTable* table;
  bool has_bf16 = has_avx512_bf16();
};

Choice choice_of(const Variant& variant) {
  return {variant.name, static_cast<std::size_t>(&variant - built), variant.table};
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
  static const Choice baseline{"baseline", 0, &simd::baseline::table, false};
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

std::size_t variant_in_use() {
  return choice().place;
}

std::size_t variant_of_cpu() {
  return chosen_for_cpu().place;
}

const simd::SplitGemmKernels* split_kernels(Precision precision) {
  const Choice& chosen = choice();
  return chosen.has_bf16 ? chosen.table->split[static_cast<int>(precision)] : nullptr;
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
