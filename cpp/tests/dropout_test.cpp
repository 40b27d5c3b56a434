#include <cstdint>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/philox.hpp"

namespace unitgain::tests {

static std::uint32_t random_word(std::uint64_t key, std::uint64_t stream, std::uint64_t position) {
  return runtime::RandomStream(key, stream).block(position / 4)[position % 4];
}

UNITGAIN_TYPED_TEST(dropout_keeps_what_the_random_word_says) {
  const auto& kernels = *runtime::kernels<T>().dropout;
  const std::uint64_t key = 0x0123456789abcdef;
  const std::uint64_t stream = 0xfedcba9876543210;
  // The last start lies just below a carry from the counter's first word into its second.
  const std::uint64_t starts[] = {0, 1, 2, 3, 5, 4002, (std::uint64_t{1} << 34) - 7};
  for (const std::uint64_t first : starts) {
    // The last threshold is itself a word that is drawn, which counts as kept.
    for (const std::uint32_t threshold :
         {0u, 0x40000001u, 0x80000000u, 0xffffffffu, random_word(key, stream, first + 1)}) {
      for (const Index n : sizes) {
        const auto x = random_array<T>(n, 1);
        const T scale = T(1.25);
        const Array<T> y(n);
        kernels.dropout(x.data(), y.data(), n, key, stream, first, threshold, scale);
        const Array<T> in_place = x;
        kernels.dropout(in_place.data(), in_place.data(), n, key, stream, first, threshold, scale);
        for (Index i = 0; i < n; ++i) {
          const bool kept =
              random_word(key, stream, first + static_cast<std::uint64_t>(i)) >= threshold;
          CHECK(y[i] == (kept ? x[i] * scale : T(0)),
                "n = " << n << ", first = " << first << ", i = " << i << ", y = " << y[i]);
          CHECK(in_place[i] == y[i], "n = " << n << ", i = " << i);
        }
      }
    }
  }
}

UNITGAIN_TYPED_TEST(dropout_removes_what_is_not_finite_too) {
  const auto& kernels = *runtime::kernels<T>().dropout;
  const Array<T> x(40, std::numeric_limits<double>::infinity());
  const Array<T> y(40);
  kernels.dropout(x.data(), y.data(), 40, 3, 4, 0, 0x80000000u, T(2));
  for (Index i = 0; i < 40; ++i) {
    const bool kept = random_word(3, 4, static_cast<std::uint64_t>(i)) >= 0x80000000u;
    CHECK(y[i] == (kept ? x[i] : T(0)), "i = " << i << ", y = " << y[i]);
  }
}

}  // namespace unitgain::tests
