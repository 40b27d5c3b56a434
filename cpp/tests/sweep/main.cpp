// Measures the largest error of the activations and their derivatives over every float:
//   unitgain_sweep [name ...] [--stride N] [--threads N]
// with UNITGAIN_ISA to choose the variant. The reference is the variant's own float64 kernel at the
// same input. Its error, which tests/kernels/test_activations.py bounds by 2 ulp of double against
// mpmath and activation_test.cpp against formulas in long double, is 2^-29 of a float's ulp at
// most, and it shares no code with the float kernel's quick form, and no precision with its wide
// one.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/dispatch.hpp"
#include "simd/kernels/activation.hpp"
#include "unitgain/activation.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

constexpr Index chunk = 4096;

struct Worst {
  double error = 0;
  float x = 0;
};

// The error of `value` in units of the last place that the true value has in float.
double ulp_error(float value, double exact) {
  if (std::isnan(exact)) return std::isnan(value) ? 0 : HUGE_VAL;
  const auto rounded = static_cast<float>(exact);
  if (value == rounded && (std::isinf(rounded) || static_cast<double>(rounded) == exact)) return 0;
  if (!std::isfinite(value)) return HUGE_VAL;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::abs(static_cast<double>(value) - exact) /
         std::ldexp(1.0, std::max(exponent - 24, -149));
}

// The same for finite values and little else, but in a few instructions.
double quick_ulp_error(float value, double exact) {
  const std::uint64_t exponent = (std::bit_cast<std::uint64_t>(exact) >> 52) & 0x7ff;
  const std::uint64_t ulp_exponent = std::max<std::uint64_t>(exponent, 1023 - 149 + 23) - 23;
  const auto inverse_ulp = std::bit_cast<double>((2046 - ulp_exponent) << 52);
  return std::abs(static_cast<double>(value) - exact) * inverse_ulp;
}

template <class T>
const simd::ActivationKernel<T>& kernel(const ActivationSpec& spec) {
  return *runtime::kernels<T>().activation->row[static_cast<int>(spec.kind)];
}

template <class T>
void evaluate(const ActivationSpec& spec, bool derivative, const std::vector<T>& x,
              std::vector<T>& y, Index n) {
  if (!derivative) return kernel<T>(spec).forward(x.data(), y.data(), n, spec.parameters);
  static const std::vector<T> ones(chunk, T{1});
  kernel<T>(spec).gradient(x.data(), ones.data(), y.data(), n, spec.parameters);
}

// The chunks whose number is `first` modulo `step`.
Worst sweep_part(const ActivationSpec& spec, bool derivative, std::uint64_t stride, unsigned first,
                 unsigned step) {
  Worst worst;
  std::vector<float> x(chunk), y(chunk);
  std::vector<double> wide_x(chunk), exact(chunk);
  const std::uint64_t count = ((std::uint64_t{1} << 32) + stride - 1) / stride;
  for (std::uint64_t at = first * std::uint64_t{chunk}; at < count;
       at += step * std::uint64_t{chunk}) {
    const Index n = static_cast<Index>(std::min<std::uint64_t>(chunk, count - at));
    for (Index i = 0; i < n; ++i) {
      const auto bits = static_cast<std::uint32_t>((at + static_cast<std::uint64_t>(i)) * stride);
      std::memcpy(&x[static_cast<std::size_t>(i)], &bits, sizeof(float));
      wide_x[static_cast<std::size_t>(i)] = x[static_cast<std::size_t>(i)];
    }
    evaluate<float>(spec, derivative, x, y, n);
    evaluate<double>(spec, derivative, wide_x, exact, n);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      if (quick_ulp_error(y[i], exact[i]) <= worst.error) continue;
      // A derivative at NaN is what the comparisons make of it.
      if (derivative && std::isnan(x[i])) continue;
      const double error = ulp_error(y[i], exact[i]);
      if (error > worst.error) worst = {error, x[i]};
    }
  }
  return worst;
}

Worst sweep(const ActivationSpec& spec, bool derivative, std::uint64_t stride, unsigned threads) {
  Worst worst;
  std::mutex mutex;
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      const Worst part = sweep_part(spec, derivative, stride, t, threads);
      const std::lock_guard<std::mutex> lock(mutex);
      if (part.error > worst.error) worst = part;
    });
  }
  for (std::thread& worker : workers) worker.join();
  return worst;
}

struct Case {
  std::string name;
  ActivationSpec spec;
};

// Every activation with its defaults, and those with parameters also with others.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (int i = 0; i < activation_count; ++i) {
    const auto kind = static_cast<Activation>(i);
    if (kind == Activation::general_relu) continue;
    const char* name = activation_info(kind).name;
    all.push_back({name, activation_spec(name)});
  }
  all.push_back({"relu(0.25,5,1)", {Activation::general_relu, {0.25, 5.0, 1.0}}});
  all.push_back({"elu(0.3)", {Activation::elu, {0.3}}});
  all.push_back({"celu(0.3)", {Activation::celu, {0.3}}});
  return all;
}

}  // namespace

}  // namespace unitgain::tests

int main(int argument_count, char** arguments) {
  using namespace unitgain::tests;
  std::uint64_t stride = 1;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::string> names;
  for (int i = 1; i < argument_count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--stride" && i + 1 < argument_count) {
      stride = std::max(1ull, std::strtoull(arguments[++i], nullptr, 10));
    } else if (argument == "--threads" && i + 1 < argument_count) {
      threads = static_cast<unsigned>(std::max(1l, std::strtol(arguments[++i], nullptr, 10)));
    } else {
      names.push_back(argument);
    }
  }
  std::printf("variant %s, stride %llu\n", unitgain::active_variant().c_str(),
              static_cast<unsigned long long>(stride));
  double largest = 0;
  for (const Case& c : cases()) {
    if (!names.empty() && std::find(names.begin(), names.end(), c.name) == names.end()) continue;
    for (const bool derivative : {false, true}) {
      const Worst worst = sweep(c.spec, derivative, stride, threads);
      std::printf("%-14s %-10s %8.4f ulp at %.9g (%a)\n", c.name.c_str(),
                  derivative ? "derivative" : "forward", worst.error, static_cast<double>(worst.x),
                  static_cast<double>(worst.x));
      std::fflush(stdout);
      largest = std::max(largest, worst.error);
    }
  }
  std::printf("largest %.4f ulp\n", largest);
  return largest <= 2 ? 0 : 1;
}
