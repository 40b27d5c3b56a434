#include "runtime/philox.hpp"

#include <cmath>
#include <numbers>
#include <utility>

namespace unitgain::runtime {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t right = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(right >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(right),
               static_cast<std::uint32_t>(left >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(left)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

std::array<std::uint32_t, 4> RandomStream::block(std::uint64_t index) const {
  return philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                 static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                {static_cast<std::uint32_t>(key_), static_cast<std::uint32_t>(key_ >> 32)});
}

std::uint64_t RandomStream::bits(std::uint64_t i) const {
  const auto words = block(i / 2);
  const int first = static_cast<int>(i % 2) * 2;
  return words[first] | (std::uint64_t{words[first + 1]} << 32);
}

double RandomStream::uniform(std::uint64_t i) const {
  return static_cast<double>(bits(i) >> 11) * 0x1p-53;
}

template <class T>
void fill_uniform(const RandomStream& stream, T* out, Index n, double low, double high) {
  for (Index i = 0; i < n; ++i) {
    out[i] = static_cast<T>(low + (high - low) * stream.uniform(i));
    // Rounding to T may reach the open end.
    if (low < high && out[i] >= static_cast<T>(high)) {
      out[i] = std::nextafter(static_cast<T>(high), static_cast<T>(low));
    }
  }
}

namespace {

// Two independent standard normals from the pair of uniforms at 2 i and 2 i + 1.
// Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
std::pair<double, double> normal_pair(const RandomStream& stream, std::uint64_t i) {
  const double radius = std::sqrt(-2.0 * std::log1p(-stream.uniform(2 * i)));
  const double angle = 2.0 * std::numbers::pi * stream.uniform(2 * i + 1);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace

template <class T>
void fill_normal(const RandomStream& stream, T* out, Index n, double mean, double deviation) {
  for (Index i = 0; i < n; i += 2) {
    const auto [first, second] = normal_pair(stream, i / 2);
    out[i] = static_cast<T>(mean + deviation * first);
    if (i + 1 < n) out[i + 1] = static_cast<T>(mean + deviation * second);
  }
}

template <class T>
void fill_truncated_normal(const RandomStream& stream, T* out, Index n, double mean,
                           double deviation) {
  // Value i owns the pairs at i * tries ... of the stream; a pair is outside on both sides with
  // probability 0.0021, so that sixteen fail with probability 1e-43.
  constexpr std::uint64_t tries = 16;
  for (Index i = 0; i < n; ++i) {
    double value = 0.0;
    for (std::uint64_t attempt = 0; attempt < tries; ++attempt) {
      const auto [first, second] =
          normal_pair(stream, static_cast<std::uint64_t>(i) * tries + attempt);
      value = std::abs(first) <= 2.0 ? first : second;
      if (std::abs(value) <= 2.0) break;
      value = 0.0;
    }
    out[i] = static_cast<T>(mean + deviation * value);
  }
}

void fill_permutation(const RandomStream& stream, Index* out, Index n) {
  __extension__ using Wide = unsigned __int128;
  // Fisher and Yates's shuffle from the front: position i is drawn from the i + 1 first.
  for (Index i = 0; i < n; ++i) {
    // The high word of a 64 x 64-bit product maps 64 random bits to [0, i]; its bias is below
    // (i + 1) / 2^64.
    const auto j = static_cast<Index>((Wide{stream.bits(i)} * static_cast<Wide>(i + 1)) >> 64);
    out[i] = i;
    std::swap(out[i], out[j]);
  }
}

template void fill_uniform(const RandomStream&, float*, Index, double, double);
template void fill_uniform(const RandomStream&, double*, Index, double, double);
template void fill_normal(const RandomStream&, float*, Index, double, double);
template void fill_normal(const RandomStream&, double*, Index, double, double);
template void fill_truncated_normal(const RandomStream&, float*, Index, double, double);
template void fill_truncated_normal(const RandomStream&, double*, Index, double, double);

}  // namespace unitgain::runtime
