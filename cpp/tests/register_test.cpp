// The vector type, on the variant in use.
#include <string>

#include "check.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::simd {

#if UNITGAIN_HAS_BASELINE
namespace baseline {
const char* wrong_register_operation();
}
#endif
#if UNITGAIN_HAS_AVX2
namespace avx2 {
const char* wrong_register_operation();
}
#endif
#if UNITGAIN_HAS_AVX512
namespace avx512 {
const char* wrong_register_operation();
}
#endif

}  // namespace unitgain::simd

namespace unitgain::tests {

UNITGAIN_TEST(registers_compute_as_scalars_do) {
  const char* wrong = nullptr;
  [[maybe_unused]] const std::string& variant = active_variant();
#if UNITGAIN_HAS_BASELINE
  if (variant == "baseline") wrong = simd::baseline::wrong_register_operation();
#endif
#if UNITGAIN_HAS_AVX2
  if (variant == "avx2") wrong = simd::avx2::wrong_register_operation();
#endif
#if UNITGAIN_HAS_AVX512
  if (variant == "avx512" || variant == "amx") wrong = simd::avx512::wrong_register_operation();
#endif
  CHECK(wrong == nullptr, wrong);
}

}  // namespace unitgain::tests
