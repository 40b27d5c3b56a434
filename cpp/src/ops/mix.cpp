#include "ops/mix.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include "ops/element.hpp"
#include "ops/gather.hpp"
#include "runtime/philox.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

void check_mix(const Samples& samples) {
  const MixSpec& mix = samples.mix;
  if (mix.kind == Mixing::none) return;
  if (!(mix.alpha > 0 && std::isfinite(mix.alpha))) {
    throw ValueError("alpha must be finite and above 0, but it is " + std::to_string(mix.alpha));
  }
  if (mix.kind != Mixing::blend && samples.x.size() != 1) {
    throw ValueError("samples of " + std::to_string(samples.x.size()) +
                     " inputs cannot be cut: blend them");
  }
  const Index pixels = mix.height * mix.width;
  if (mix.kind == Mixing::box && (pixels < 1 || samples.x[0].cols % pixels != 0)) {
    throw ValueError("images of " + std::to_string(mix.height) + " x " + std::to_string(mix.width) +
                     " pixels do not make rows of " + std::to_string(samples.x[0].cols) +
                     " values");
  }
}

namespace ops {

namespace {

using runtime::RandomStream;

// Of a place's 1024 uniform numbers: its other sample, a box's centre, and two gamma variates.
constexpr std::uint64_t draws_per_place = 1024;
constexpr std::uint64_t other_draw = 0, row_draw = 1, column_draw = 2, gamma_draw = 16;
constexpr std::uint64_t draws_per_gamma = 2 + 4 * 64;
// Sets the stream that chooses features apart from the one above.
constexpr std::uint64_t feature_key = 0x9E3779B97F4A7C15u;

// Where the stream's numbers are needed in (0, 1].
double positive_uniform(const RandomStream& stream, std::uint64_t i) {
  return 1.0 - stream.uniform(i);
}

// The logarithm of a gamma variate, which of a small shape would underflow. Source: Marsaglia and
// Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000; a shape below 1 by
// their section 6. A try succeeds with probability 0.95 or more: 64 fail with 1e-83.
double log_gamma_variate(const RandomStream& stream, std::uint64_t first, double shape) {
  const double boost = std::log(positive_uniform(stream, first)) / shape;
  const double d = shape + 1.0 - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (std::uint64_t at = first + 2; at < first + draws_per_gamma; at += 4) {
    const double radius = std::sqrt(-2.0 * std::log(positive_uniform(stream, at)));
    const double x = radius * std::cos(2.0 * std::numbers::pi * stream.uniform(at + 1));
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    const double u = positive_uniform(stream, at + 2);
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return boost + std::log(d * v);
  }
  return boost + std::log(d);
}

// Beta(alpha, alpha) as X / (X + Y) of two gamma variates.
double beta_variate(const RandomStream& stream, std::uint64_t first, double alpha) {
  const double x = log_gamma_variate(stream, first, alpha);
  const double y = log_gamma_variate(stream, first + draws_per_gamma, alpha);
  return 1.0 / (1.0 + std::exp(y - x));
}

// The pixels from `centre` on both sides that make `length`, cut at the image's edges.
void box_side(double centre, double length, Index size, Index& begin, Index& end) {
  const auto middle = static_cast<Index>(centre * static_cast<double>(size));
  const auto half = static_cast<Index>(length / 2.0);
  begin = std::clamp<Index>(middle - half, 0, size);
  end = std::clamp<Index>(middle + half, 0, size);
}

// Whether column j of the sample at place i is its own.
class FeatureMask {
 public:
  FeatureMask(const Samples& samples, std::uint64_t step, Index i, double share)
      : stream_(samples.mix.key ^ feature_key, step),
        first_(static_cast<std::uint64_t>(i * samples.x[0].cols)),
        share_(share) {}

  bool operator()(Index j) const {
    return stream_.uniform(first_ + static_cast<std::uint64_t>(j)) < share_;
  }

 private:
  RandomStream stream_;
  std::uint64_t first_;
  double share_;
};

const std::byte* row_at(const SampleArray& array, const Samples& samples, Index position) {
  const Index row = samples.order != nullptr ? samples.order[position] : position;
  return static_cast<const std::byte*>(array.data) + row * array.row_stride;
}

// out[j] = pick(j, own[j], other[j]), both converted to T.
template <class T, class Pick>
void combine(const SampleArray& array, const std::byte* own, const std::byte* other, T* out,
             Pick&& pick) {
  with_element(array.type, [&](auto zero) {
    using From = decltype(zero);
    const auto at = [&](const std::byte* row, Index j) {
      return static_cast<T>(*reinterpret_cast<const From*>(row + j * array.col_stride));
    };
    for (Index j = 0; j < array.cols; ++j) out[j] = pick(j, at(own, j), at(other, j));
  });
}

template <class T>
void blend(const SampleArray& array, const std::byte* own, const std::byte* other, double share,
           T* out) {
  const auto kept = static_cast<T>(share), taken = static_cast<T>(1.0 - share);
  combine<T>(array, own, other, out, [&](Index, T a, T b) { return kept * a + taken * b; });
}

}  // namespace

Mixture mixture(const Samples& samples, std::uint64_t step, Index i) {
  const MixSpec& mix = samples.mix;
  const RandomStream stream(mix.key, step);
  const std::uint64_t first = static_cast<std::uint64_t>(i) * draws_per_place;
  __extension__ using Wide = unsigned __int128;
  const auto other = static_cast<Index>(
      (Wide{stream.bits(first + other_draw)} * static_cast<Wide>(samples.count)) >> 64);
  const double share = beta_variate(stream, first + gamma_draw, mix.alpha);
  Mixture result{other, share, 0, 0, 0, 0};
  if (mix.kind == Mixing::box) {
    const double side = std::sqrt(1.0 - share);
    box_side(stream.uniform(first + row_draw), side * static_cast<double>(mix.height), mix.height,
             result.top, result.bottom);
    box_side(stream.uniform(first + column_draw), side * static_cast<double>(mix.width), mix.width,
             result.left, result.right);
  }
  return result;
}

template <class T>
void read_inputs(const runtime::Team& team, const Samples& samples, std::size_t input,
                 std::uint64_t step, Index first, Index count, T* out, Index out_stride) {
  const SampleArray& x = samples.x[input];
  const MixSpec& mix = samples.mix;
  if (mix.kind == Mixing::none) {
    return gather_rows(team, x, samples.order, first, count, out, out_stride);
  }
  const runtime::Range range = team.share(count);
  for (Index i = range.begin; i < range.end; ++i) {
    const Mixture mixed = mixture(samples, step, i);
    const std::byte* own = row_at(x, samples, first + i);
    const std::byte* other = row_at(x, samples, mixed.other);
    T* row = out + i * out_stride;
    if (mix.kind == Mixing::blend) {
      blend<T>(x, own, other, mixed.share, row);
    } else if (mix.kind == Mixing::features) {
      const FeatureMask keeps(samples, step, i, mixed.share);
      combine<T>(x, own, other, row, [&](Index j, T a, T b) { return keeps(j) ? a : b; });
    } else {
      const Index channels = x.cols / (mix.height * mix.width);
      combine<T>(x, own, other, row, [&](Index j, T a, T b) {
        const Index y = j / channels / mix.width, column = j / channels % mix.width;
        const bool inside =
            y >= mixed.top && y < mixed.bottom && column >= mixed.left && column < mixed.right;
        return inside ? b : a;
      });
    }
  }
}

// The share of the values of the sample at place i that stay its own.
static double exact_share(const Samples& samples, std::uint64_t step, Index i,
                          const Mixture& mixed) {
  const MixSpec& mix = samples.mix;
  if (mix.kind == Mixing::box) {
    const Index area = (mixed.bottom - mixed.top) * (mixed.right - mixed.left);
    return 1.0 - static_cast<double>(area) / static_cast<double>(mix.height * mix.width);
  }
  if (mix.kind != Mixing::features || samples.x[0].cols == 0) return mixed.share;
  const FeatureMask keeps(samples, step, i, mixed.share);
  Index kept = 0;
  for (Index j = 0; j < samples.x[0].cols; ++j) kept += keeps(j) ? 1 : 0;
  return static_cast<double>(kept) / static_cast<double>(samples.x[0].cols);
}

template <class T>
void read_targets(const runtime::Team& team, const Samples& samples, std::size_t output,
                  std::uint64_t step, Index first, Index count, T* out) {
  const SampleArray& targets = samples.y[output].values;
  if (samples.mix.kind == Mixing::none) {
    return gather_rows(team, targets, samples.order, first, count, out, targets.cols);
  }
  const runtime::Range range = team.share(count);
  for (Index i = range.begin; i < range.end; ++i) {
    const Mixture mixed = mixture(samples, step, i);
    blend<T>(targets, row_at(targets, samples, first + i), row_at(targets, samples, mixed.other),
             exact_share(samples, step, i, mixed), out + i * targets.cols);
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                                \
  template void read_inputs(const runtime::Team&, const Samples&, std::size_t, std::uint64_t,  \
                            Index, Index, T*, Index);                                          \
  template void read_targets(const runtime::Team&, const Samples&, std::size_t, std::uint64_t, \
                             Index, Index, T*);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace ops

}  // namespace unitgain
