#include "runtime/flush_denormals.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace unitgain::runtime {

namespace {

#if defined(__x86_64__)

constexpr std::uint64_t flush_bits = 0x8040;  // MXCSR: flush to zero, denormals are zero
std::uint64_t control() {
  return _mm_getcsr();
}
void set_control(std::uint64_t value) {
  _mm_setcsr(static_cast<unsigned>(value));
}

#elif defined(__aarch64__)

constexpr std::uint64_t flush_bits = std::uint64_t{1} << 24;  // FPCR.FZ
std::uint64_t control() {
  std::uint64_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_control(std::uint64_t value) {
  __asm__ volatile("msr fpcr, %0" : : "r"(value));
}

#endif

}  // namespace

FlushDenormals::FlushDenormals(bool flush) : before_(control()) {
  if (flush) set_control(before_ | flush_bits);
}

FlushDenormals::~FlushDenormals() {
  set_control(before_);
}

}  // namespace unitgain::runtime
