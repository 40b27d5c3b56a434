// Layers that draw: dropout, alpha dropout, Gaussian noise, Gaussian dropout, randomised leaky
// ReLU. The random words are those of runtime/philox.hpp, bit for bit; its Source is there.
#include "simd/kernels/noise.hpp"
#include "simd/intrinsics.hpp"
#include "simd/math.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

constexpr int group = noise_group;
constexpr int counters = group / 4;
constexpr int word_lanes = static_cast<int>(lanes<std::uint64_t>);

// The Philox keys of the ten rounds.
struct Keys {
  Words low[10];
  Words high[10];
};

UNITGAIN_INLINE Keys round_keys(std::uint64_t key) {
  Keys keys;
  auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    keys.low[round] = Words(std::uint64_t{low});
    keys.high[round] = Words(std::uint64_t{high});
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
  return keys;
}

// words[16 w + c] = word w of counter first + c, the sixteen counters of one group. A word takes
// the lower half of a 64-bit lane; what is in the upper half does not matter, as neither xor nor
// the product of lower halves carries it down.
UNITGAIN_INLINE void random_words(const Keys& keys, std::uint64_t stream, std::uint64_t first,
                                  std::uint32_t* words) {
  // Two vectors at a time keep the multipliers busy.
  constexpr int vectors = 2;
  for (int done = 0; done < counters; done += vectors * word_lanes) {
    Words word[vectors][4];
    for (int v = 0; v < vectors; ++v) {
      const auto start = first + static_cast<std::uint64_t>(done + v * word_lanes);
      word[v][0] = Words(start) + lane_index<std::uint64_t>();
      word[v][1] = word[v][0] >> 32;
      word[v][2] = Words(stream);
      word[v][3] = Words(stream >> 32);
    }
    for (int round = 0; round < 10; ++round) {
      for (int v = 0; v < vectors; ++v) {
        const Words left = product(word[v][0], Words(std::uint64_t{0xD2511F53}));
        const Words right = product(word[v][2], Words(std::uint64_t{0xCD9E8D57}));
        word[v][0] = (right >> 32) ^ word[v][1] ^ keys.low[round];
        word[v][1] = right;
        word[v][2] = (left >> 32) ^ word[v][3] ^ keys.high[round];
        word[v][3] = left;
      }
    }
    for (int v = 0; v < vectors; ++v) {
      for (int w = 0; w < 4; ++w) {
        alignas(Words) std::uint64_t lane[word_lanes];
        store(word[v][w], lane);
        std::uint32_t* out = words + w * counters + done + v * word_lanes;
        for (int i = 0; i < word_lanes; ++i) out[i] = static_cast<std::uint32_t>(lane[i]);
      }
    }
  }
}

// ---- what a word becomes: plain loops over a group, which the compiler turns into vectors ----

// yes where the word reaches the threshold, else 0.
template <class T>
UNITGAIN_INLINE void keep(const std::uint32_t* words, std::uint32_t threshold, T yes, T* factors) {
  for (int i = 0; i < group; ++i) factors[i] = words[i] >= threshold ? yes : T{0};
}

// Uniform in (0, 1), from the word's upper 31 bits.
template <class T>
UNITGAIN_INLINE T unit(std::uint32_t word) {
  return (static_cast<T>(static_cast<std::int32_t>(word >> 1)) + T(0.5)) * T(0x1p-31);
}

// log u for a normal number, by the series of log m = 2 artanh((m - 1) / (m + 1)), sqrt(1/2) <= m <
// sqrt 2, cut where 1e-10 is left.
template <class T>
UNITGAIN_INLINE T log_unit(T u) {
  using F = Format<T>;
  using Bits = typename F::Bits;
  constexpr Bits root = std::bit_cast<Bits>(static_cast<T>(0.70710678118654752));
  constexpr Bits fraction = (Bits{1} << F::fraction_bits) - 1;
  const Bits offset = std::bit_cast<Bits>(u) - root;
  // The field of the exponent, less that of the root: at most 0, and shifted as it is it keeps its
  // sign.
  using Signed = std::make_signed_t<Bits>;
  const auto exponent = static_cast<std::int32_t>(static_cast<Signed>(offset) >> F::fraction_bits);
  const T m = std::bit_cast<T>((offset & fraction) + root);
  const T s = (m - T{1}) / (m + T{1}), s2 = s * s;
  T series = T(1. / 11);
  series = series * s2 + T(1. / 9);
  series = series * s2 + T(1. / 7);
  series = series * s2 + T(1. / 5);
  series = series * s2 + T(1. / 3);
  series = series * s2 + T(1);
  return static_cast<T>(exponent) * T(0.69314718055994531) + (s + s) * series;
}

// Standard normals: value i and value i + 32 from the words i and i + 32, as radius and angle.
// Source: Box and Muller, "A note on the generation of random normal deviates", Annals of
// Mathematical Statistics 29, 1958.
template <class T>
UNITGAIN_INLINE void normals(const std::uint32_t* words, T* out) {
  constexpr int half = group / 2;
  for (int i = 0; i < half; ++i) {
    const T radius = static_cast<T>(__builtin_sqrt(T(-2) * log_unit(unit<T>(words[i]))));
    // A whole turn is 2^32: the nearest quarter, and what is left, at most an eighth of a turn.
    const std::uint32_t turn = words[half + i];
    const std::uint32_t quarter = (turn + 0x20000000u) >> 30;
    const T r = static_cast<T>(static_cast<std::int32_t>(turn - (quarter << 30))) *
                T(1.5707963267948966 * 0x1p-30);
    const T r2 = r * r;
    // Taylor's series; what is left out is below 5e-13.
    T sine = T(1. / 6227020800);
    sine = sine * r2 - T(1. / 39916800);
    sine = sine * r2 + T(1. / 362880);
    sine = sine * r2 - T(1. / 5040);
    sine = sine * r2 + T(1. / 120);
    sine = sine * r2 - T(1. / 6);
    sine = r + r * r2 * sine;
    T cosine = T(1. / 479001600);
    cosine = cosine * r2 - T(1. / 3628800);
    cosine = cosine * r2 + T(1. / 40320);
    cosine = cosine * r2 - T(1. / 720);
    cosine = cosine * r2 + T(1. / 24);
    cosine = cosine * r2 - T(1. / 2);
    cosine = T(1) + r2 * cosine;
    const bool swapped = (quarter & 1) != 0;
    const T x = swapped ? sine : cosine, y = swapped ? cosine : sine;
    out[i] = radius * (((quarter + 1) & 2) != 0 ? -x : x);
    out[half + i] = radius * ((quarter & 2) != 0 ? -y : y);
  }
}

// ---- the layers: what is drawn for a group, and what it does to a value and to a gradient ----

// y = x scale + shift where kept, else dropped.
struct Dropout {
  template <class T>
  UNITGAIN_INLINE static void draw(const std::uint32_t* words, const NoiseSettings<T>& s, T* out) {
    keep<T>(words, s.threshold, s.scale, out);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, Vec<T> drawn, const NoiseSettings<T>&) {
    return gradient<T>(x, x, drawn, {});
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> gradient(Vec<T>, Vec<T> upstream, Vec<T> drawn,
                                         const NoiseSettings<T>&) {
    // Selected, not multiplied away: what is not finite is dropped too.
    return select<T>(drawn == T{0}, T{0}, upstream * drawn);
  }
};

struct AlphaDropout : Dropout {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, Vec<T> drawn, const NoiseSettings<T>& s) {
    return select<T>(drawn == T{0}, s.dropped, multiply_add<T>(x, drawn, s.shift));
  }
};

struct GaussianNoise {
  template <class T>
  UNITGAIN_INLINE static void draw(const std::uint32_t* words, const NoiseSettings<T>& s, T* out) {
    normals<T>(words, out);
    for (int i = 0; i < group; ++i) out[i] = out[i] * s.scale + s.shift;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, Vec<T> drawn, const NoiseSettings<T>&) {
    return x + drawn;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> gradient(Vec<T>, Vec<T> upstream, Vec<T>, const NoiseSettings<T>&) {
    return upstream;
  }
};

struct GaussianDropout : GaussianNoise {
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, Vec<T> drawn, const NoiseSettings<T>&) {
    return x * drawn;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> gradient(Vec<T>, Vec<T> upstream, Vec<T> drawn,
                                         const NoiseSettings<T>&) {
    return upstream * drawn;
  }
};

struct RandomizedLeakyRelu {
  template <class T>
  UNITGAIN_INLINE static void draw(const std::uint32_t* words, const NoiseSettings<T>& s, T* out) {
    for (int i = 0; i < group; ++i) out[i] = unit<T>(words[i]) * s.scale + s.shift;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> forward(Vec<T> x, Vec<T> drawn, const NoiseSettings<T>&) {
    return select<T>(x < T{0}, x * drawn, x);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> gradient(Vec<T> x, Vec<T> upstream, Vec<T> drawn,
                                         const NoiseSettings<T>&) {
    return select<T>(x > T{0}, upstream, upstream * drawn);
  }
};

// Calls body(drawn, done, count) for the parts of the positions first ... first + n that lie in one
// group, `drawn` being what was drawn for them.
template <class Layer, class T, class Body>
UNITGAIN_INLINE void for_each_group(Index n, const RandomPlace& place,
                                    const NoiseSettings<T>& settings, Body&& body) {
  const Keys keys = round_keys(place.key);
  alignas(64) std::uint32_t words[group];
  alignas(64) T drawn[group];
  Index done = 0;
  while (done < n) {
    const std::uint64_t position = place.first + static_cast<std::uint64_t>(done);
    random_words(keys, place.stream, position / group * counters, words);
    Layer::template draw<T>(words, settings, drawn);
    const Index skipped = static_cast<Index>(position % group);
    const Index count = n - done < group - skipped ? n - done : group - skipped;
    body(drawn + skipped, done, count);
    done += count;
  }
}

template <class Layer, class T>
void forward(const T* x, T* y, Index n, const RandomPlace& place,
             const NoiseSettings<T>& settings) {
  for_each_group<Layer, T>(
      n, place, settings,
      [&](const T* drawn, Index done, Index count) __attribute__((always_inline)) {
        for_each_vector<T>(count, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
          store_at(Layer::template forward<T>(load_at(x + done), load_at(drawn), settings),
                   y + done);
        });
      });
}

template <class Layer, class T>
void gradient(const T* x, const T* upstream, T* result, Index n, const RandomPlace& place,
              const NoiseSettings<T>& settings) {
  for_each_group<Layer, T>(
      n, place, settings,
      [&](const T* drawn, Index done, Index count) __attribute__((always_inline)) {
        for_each_vector<T>(count, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
          store_at(Layer::template gradient<T>(load_at(x + done), load_at(upstream + done),
                                               load_at(drawn), settings),
                   result + done);
        });
      });
}

template <class Layer, class T>
constexpr NoiseKernel<T> row = {&forward<Layer, T>, &gradient<Layer, T>};

void keep_bits(std::uint64_t* bits, Index groups, const RandomPlace& place,
               std::uint32_t threshold) {
  const Keys keys = round_keys(place.key);
  alignas(64) std::uint32_t words[group];
  for (Index g = 0; g < groups; ++g) {
    const std::uint64_t index = place.first / group + static_cast<std::uint64_t>(g);
    random_words(keys, place.stream, index * counters, words);
    std::uint64_t kept = 0;
    for (int i = 0; i < group; ++i) kept |= std::uint64_t{words[i] >= threshold} << i;
    bits[g] = kept;
  }
}

#define UNITGAIN_MEMBER(kind, ...) NoiseKernel<T> kind;
template <class T>
struct Rows {
  UNITGAIN_NOISES(UNITGAIN_MEMBER)
};
#undef UNITGAIN_MEMBER

template <class T>
constexpr Rows<T> rows = {
    .dropout = row<Dropout, T>,
    .alpha_dropout = row<AlphaDropout, T>,
    .gaussian_noise = row<GaussianNoise, T>,
    .gaussian_dropout = row<GaussianDropout, T>,
    .rrelu = row<RandomizedLeakyRelu, T>,
};

#define UNITGAIN_KERNEL(kind, ...) rows<T>.kind,
template <class T>
constexpr NoiseKernels<T> kernels = {.row = {UNITGAIN_NOISES(UNITGAIN_KERNEL)},
                                     .keep_bits = keep_bits};
#undef UNITGAIN_KERNEL

}  // namespace

constinit const NoiseKernels<float> noise_f32 = kernels<float>;
constinit const NoiseKernels<double> noise_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
