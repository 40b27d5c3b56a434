#include <cstdint>

#include "check.hpp"
#include "memory.hpp"
#include "ops/noise.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/philox.hpp"
#include "simd/kernels/noise.hpp"

namespace unitgain::tests {

static std::uint32_t random_word(const simd::RandomPlace& place, Index i) {
  const std::uint64_t position = place.first + static_cast<std::uint64_t>(i);
  const std::uint64_t counter = position / 64 * 16 + position % 16;
  return runtime::RandomStream(place.key, place.stream).block(counter)[position % 64 / 16];
}

// The last start lies just below a carry from the counter's first word into its second.
static const std::uint64_t starts[] = {0, 1, 15, 64, 4002, (std::uint64_t{1} << 34) - 7};

UNITGAIN_TYPED_TEST(dropout_keeps_what_the_random_word_says) {
  const auto& kernel = runtime::kernels<T>().noise->row[static_cast<int>(Noise::dropout)];
  for (const std::uint64_t first : starts) {
    const simd::RandomPlace place = {0x0123456789abcdef, 0xfedcba9876543210, first};
    // The last threshold is itself a word that is drawn, which counts as kept.
    for (const std::uint32_t threshold :
         {0u, 0x40000001u, 0x80000000u, 0xffffffffu, random_word(place, 1)}) {
      const simd::NoiseSettings<T> settings = {threshold, T(1.25), 0, 0};
      for (const Index n : sizes) {
        const auto x = random_array<T>(n, 1);
        const Array<T> y(n), gradient(n), in_place = x;
        kernel.forward(x.data(), y.data(), n, place, settings);
        kernel.forward(in_place.data(), in_place.data(), n, place, settings);
        kernel.gradient(x.data(), x.data(), gradient.data(), n, place, settings);
        for (Index i = 0; i < n; ++i) {
          const bool kept = random_word(place, i) >= threshold;
          CHECK(y[i] == (kept ? x[i] * T(1.25) : T(0)),
                "n = " << n << ", first = " << first << ", i = " << i << ", y = " << y[i]);
          CHECK(in_place[i] == y[i], "n = " << n << ", i = " << i);
          CHECK(gradient[i] == y[i], "n = " << n << ", i = " << i);
        }
      }
    }
  }
}

UNITGAIN_TYPED_TEST(noise_depends_on_the_position_alone) {
  const simd::NoiseSettings<T> settings = {0x40000000u, T(0.75), T(0.25), T(-2)};
  const auto x = random_array<T>(300, 3, -2.0, 2.0);
  const auto upstream = random_array<T>(300, 4);
  for (int kind = 0; kind < noise_count; ++kind) {
    const auto& kernel = runtime::kernels<T>().noise->row[kind];
    const Array<T> all(300), all_gradients(300);
    kernel.forward(x.data(), all.data(), 300, {1, 2, 100}, settings);
    kernel.gradient(x.data(), upstream.data(), all_gradients.data(), 300, {1, 2, 100}, settings);
    for (const Index n : sizes) {
      if (n > 300) continue;
      const Index begin = 300 - n;
      const simd::RandomPlace place = {1, 2, static_cast<std::uint64_t>(100 + begin)};
      const Array<T> part(n), above(n), y(n), gradient(n);
      std::copy_n(x.data() + begin, n, part.data());
      std::copy_n(upstream.data() + begin, n, above.data());
      kernel.forward(part.data(), y.data(), n, place, settings);
      kernel.gradient(part.data(), above.data(), gradient.data(), n, place, settings);
      for (Index i = 0; i < n; ++i) {
        CHECK(y[i] == all[begin + i], "kind " << kind << ", n = " << n << ", i = " << i);
        CHECK(gradient[i] == all_gradients[begin + i], "kind " << kind << ", i = " << i);
      }
    }
  }
}

}  // namespace unitgain::tests
