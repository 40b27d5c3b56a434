#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "ops/peak.hpp"
#include "runtime/cpu.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/peak.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

UNITGAIN_TEST(peak_rates_are_there_for_what_the_variant_has) {
  const ops::PeakRates rates = ops::peak_rates(1);
  const bool has_vectors = active_variant() == "avx512" || active_variant() == "amx";
  const auto is_rate = [](double rate) { return std::isfinite(rate) && rate > 1e7; };
  CHECK(is_rate(rates.multiply_adds_f32), rates.multiply_adds_f32);
  CHECK(is_rate(rates.multiply_adds_f64), rates.multiply_adds_f64);
  CHECK(is_rate(rates.dot_products) == (has_vectors && runtime::has_avx512_bf16()),
        rates.dot_products);
  CHECK(is_rate(rates.tile_products) == (active_variant() == "amx"), rates.tile_products);
}

UNITGAIN_TEST(peak_rates_refuse_what_cannot_be_measured) {
  const auto is_refused = [](auto measure) {
    try {
      measure();
    } catch (const ValueError&) {
      return true;
    }
    return false;
  };
  CHECK(is_refused([] { ops::peak_rates(0); }), "threads = 0");
  CHECK(is_refused([] { ops::read_rate(1 << 20, 0); }), "threads = 0");
  CHECK(is_refused([] { ops::read_rate(1023, 2); }), "bytes = 1023");
}

UNITGAIN_TEST(reading_reads_every_part) {
  const auto read = runtime::kernel_table().peak->read;
  for (const Index n : {128, 256, 1280}) {
    for (Index begin = 0; begin < n; begin += 128) {
      std::vector<float> x(static_cast<std::size_t>(n), 0.0f);
      std::fill_n(x.begin() + begin, 128, 1.0f);
      CHECK(read(x.data(), n) > 0, "n = " << n << ", begin = " << begin);
    }
  }
}

}  // namespace unitgain::tests
