#include <atomic>

#include "unitgain/runtime.hpp"

namespace unitgain {

namespace {

std::atomic<Precision> default_precision{Precision::highest};
thread_local std::optional<Precision> precision_override;

}  // namespace

void set_float32_matmul_precision(Precision precision) {
  default_precision.store(precision, std::memory_order_relaxed);
}

Precision float32_matmul_precision() {
  return precision_override.value_or(default_precision.load(std::memory_order_relaxed));
}

std::optional<Precision> set_precision_override(std::optional<Precision> precision) {
  const std::optional<Precision> before = precision_override;
  precision_override = precision;
  return before;
}

}  // namespace unitgain
