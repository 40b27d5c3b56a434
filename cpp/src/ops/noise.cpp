#include "ops/noise.hpp"

#include <algorithm>
#include <cmath>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/noise.hpp"

namespace unitgain::ops {

namespace {

static_assert(element_grain % simd::noise_group == 0);

std::uint32_t threshold_of(double rate) {
  return static_cast<std::uint32_t>(std::min(std::round(rate * 0x1p32), 0x1p32 - 1));
}

template <class T>
simd::NoiseSettings<T> settings(const NoiseSpec& spec) {
  const double first = spec.parameters[0], second = spec.parameters[1];
  switch (spec.kind) {
    case Noise::dropout:
      return {threshold_of(first), static_cast<T>(1 / (1 - first)), 0, 0};
    case Noise::alpha_dropout: {
      constexpr double limit = -1.7580993408473768599;  // of SELU at -infinity
      const double a = 1 / std::sqrt((1 - first) * (1 + first * limit * limit));
      const double b = -a * limit * first;
      return {threshold_of(first), static_cast<T>(a), static_cast<T>(b),
              static_cast<T>(a * limit + b)};
    }
    case Noise::gaussian_noise:
      return {0, static_cast<T>(first), 0, 0};
    case Noise::gaussian_dropout:
      return {0, static_cast<T>(std::sqrt(first / (1 - first))), 1, 0};
    case Noise::rrelu:
      return {0, static_cast<T>(second - first), static_cast<T>(first), 0};
  }
  return {};
}

simd::RandomPlace place(std::uint64_t key, std::uint64_t stream, Index first) {
  return {key, stream, static_cast<std::uint64_t>(first)};
}

}  // namespace

template <class T>
void noise(const runtime::Team& team, const NoiseSpec& spec, const T* x, T* y, Index n,
           std::uint64_t key, std::uint64_t stream) {
  const auto& kernel = runtime::kernels<T>().noise->row[static_cast<int>(spec.kind)];
  const runtime::Range part = team.share(n, element_grain);
  kernel.forward(x + part.begin, y + part.begin, part.size(), place(key, stream, part.begin),
                 settings<T>(spec));
}

template <class T>
void noise_gradient(const runtime::Team& team, const NoiseSpec& spec, const T* x, const T* upstream,
                    T* gradient, Index n, std::uint64_t key, std::uint64_t stream) {
  const auto& kernel = runtime::kernels<T>().noise->row[static_cast<int>(spec.kind)];
  const runtime::Range part = team.share(n, element_grain);
  kernel.gradient(x + part.begin, upstream + part.begin, gradient + part.begin, part.size(),
                  place(key, stream, part.begin), settings<T>(spec));
}

// Neighbouring axes that all share, or none of which does, are one.
SharedAxes::SharedAxes(const std::vector<Index>& all, const std::vector<bool>& shared) {
  std::vector<bool> joined;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!joined.empty() && joined.back() == shared[i]) {
      sizes.back() *= all[i];
    } else {
      sizes.push_back(all[i]);
      joined.push_back(shared[i]);
    }
  }
  strides.assign(sizes.size(), 0);
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (joined[i]) continue;
    strides[i] = count;
    count *= sizes[i];
  }
}

template <class T>
void noise_to_share(const runtime::Team& team, const NoiseSpec& spec, T* factor, T* shift, Index n,
                    std::uint64_t key, std::uint64_t stream) {
  const runtime::Range part = team.share(n, element_grain);
  const auto& kernel = runtime::kernels<T>().noise->row[static_cast<int>(spec.kind)];
  const simd::RandomPlace from = place(key, stream, part.begin);
  T *const factors = factor + part.begin, *const shifts = shift + part.begin;
  std::fill_n(shifts, part.size(), T{0});
  kernel.forward(shifts, shifts, part.size(), from, settings<T>(spec));
  std::fill_n(factors, part.size(), T{1});
  kernel.gradient(factors, factors, factors, part.size(), from, settings<T>(spec));
}

template <class T>
void apply_shared(const runtime::Team& team, const SharedAxes& axes, const T* x, const T* factor,
                  const T* shift, T* y) {
  const Index run = axes.sizes.back(), step = axes.strides.back();
  Index runs = 1;
  for (std::size_t i = 0; i + 1 < axes.sizes.size(); ++i) runs *= axes.sizes[i];
  const runtime::Range part = team.share(runs);
  for (Index r = part.begin; r < part.end; ++r) {
    Index at = 0, rest = r;
    for (std::size_t i = axes.sizes.size() - 1; i-- > 0;) {
      at += rest % axes.sizes[i] * axes.strides[i];
      rest /= axes.sizes[i];
    }
    const T *from = x + r * run, *factors = factor + at;
    T* to = y + r * run;
    if (shift == nullptr) {
      for (Index j = 0; j < run; ++j) to[j] = from[j] * factors[j * step];
    } else {
      for (Index j = 0; j < run; ++j) to[j] = from[j] * factors[j * step] + shift[at + j * step];
    }
  }
}

void dropout_mask(const runtime::Team& team, const NoiseSpec& spec, Index n, std::uint64_t key,
                  std::uint64_t stream, std::uint64_t* bits) {
  const runtime::Range part = team.share(dropout_mask_words(n) - 1, base::cache_line / 8);
  runtime::kernels<float>().noise->keep_bits(bits + part.begin, part.size(),
                                             place(key, stream, part.begin * simd::noise_group),
                                             threshold_of(spec.parameters[0]));
}

template <class T>
simd::DropoutMask<T> dropout_epilogue(const NoiseSpec& spec, const std::uint64_t* bits,
                                      Index cols) {
  return {bits, 0, cols, settings<T>(spec).scale};
}

#define UNITGAIN_INSTANTIATE(T)                                                                   \
  template void noise<T>(const runtime::Team&, const NoiseSpec&, const T*, T*, Index,             \
                         std::uint64_t, std::uint64_t);                                           \
  template void noise_gradient<T>(const runtime::Team&, const NoiseSpec&, const T*, const T*, T*, \
                                  Index, std::uint64_t, std::uint64_t);                           \
  template void noise_to_share<T>(const runtime::Team&, const NoiseSpec&, T*, T*, Index,          \
                                  std::uint64_t, std::uint64_t);                                  \
  template void apply_shared<T>(const runtime::Team&, const SharedAxes&, const T*, const T*,      \
                                const T*, T*);                                                    \
  template simd::DropoutMask<T> dropout_epilogue<T>(const NoiseSpec&, const std::uint64_t*, Index)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
