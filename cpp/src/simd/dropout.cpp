// Dropout. The random words are those of runtime/philox.hpp, bit for bit; its Source is there.
#include "simd/intrinsics.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// A Philox counter's word takes the lower half of a 64-bit lane; what is in the upper half does not
// matter, as neither xor nor the product of lower halves carries it down. Two vectors of counters
// at a time keep the multipliers busy.
constexpr int word_lanes = static_cast<int>(Words::size());
constexpr int vectors = 2;
constexpr int group_words = 4 * vectors * word_lanes;
constexpr Index block_words = 64;

struct Counters {
  Words word[4];
};

// The counters of the blocks `first` ... in their lanes.
UNITGAIN_INLINE Counters counters(std::uint64_t first, std::uint64_t stream) {
  const Words index = Words(first) + Words([](auto i) { return static_cast<std::uint64_t>(i); });
  return {{index, index >> 32, Words(stream), Words(stream >> 32)}};
}

UNITGAIN_INLINE void philox_round(Counters& c, std::uint32_t key_low, std::uint32_t key_high) {
  const Words left = product(c.word[0], Words(std::uint64_t{0xD2511F53}));
  const Words right = product(c.word[2], Words(std::uint64_t{0xCD9E8D57}));
  c = {{(right >> 32) ^ c.word[1] ^ Words(std::uint64_t{key_low}), right,
        (left >> 32) ^ c.word[3] ^ Words(std::uint64_t{key_high}), left}};
}

// words[4 b ... 4 b + 3] = the Philox4x32-10 block of counter first + b, for one group of blocks.
UNITGAIN_INLINE void random_words(std::uint64_t key, std::uint64_t stream, std::uint64_t first,
                                  std::uint32_t* words) {
  Counters c[vectors];
  for (int v = 0; v < vectors; ++v) {
    c[v] = counters(first + static_cast<std::uint64_t>(v * word_lanes), stream);
  }
  auto key_low = static_cast<std::uint32_t>(key), key_high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int v = 0; v < vectors; ++v) philox_round(c[v], key_low, key_high);
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  for (int v = 0; v < vectors; ++v) {
    // A block's words in pairs, and then the pairs of one block side by side.
    const Words low(std::uint64_t{0xffffffff});
    std::uint64_t pairs[2][word_lanes];
    for (int p = 0; p < 2; ++p) {
      const Words pair = (c[v].word[2 * p] & low) | (c[v].word[2 * p + 1] << 32);
      pair.copy_to(pairs[p], stdx::element_aligned);
    }
    std::uint32_t* block = words + 4 * v * word_lanes;
    for (int b = 0; b < word_lanes; ++b, block += 4) {
      for (int p = 0; p < 2; ++p) {
        block[2 * p] = static_cast<std::uint32_t>(pairs[p][b]);
        block[2 * p + 1] = static_cast<std::uint32_t>(pairs[p][b] >> 32);
      }
    }
  }
}

template <class T>
void dropout(const T* x, T* y, Index n, std::uint64_t key, std::uint64_t stream,
             std::uint64_t first, std::uint32_t threshold, T scale) {
  std::uint32_t words[block_words];
  T factors[block_words];
  Index done = 0;
  while (done < n) {
    const std::uint64_t position = first + static_cast<std::uint64_t>(done);
    for (Index i = 0; i < block_words; i += group_words) {
      random_words(key, stream, (position + static_cast<std::uint64_t>(i)) / 4, words + i);
    }
    for (Index i = 0; i < block_words; ++i) factors[i] = words[i] >= threshold ? scale : T{0};
    const Index skipped = static_cast<Index>(position % 4);
    const Index count = n - done < block_words - skipped ? n - done : block_words - skipped;
    const T* factor = factors + skipped;
    for_each_vector<T>(count, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
      const Vec<T> f = load_at(factor);
      Vec<T> value = load_at(x + done) * f;
      stdx::where(f == T{0}, value) = T{0};  // also where x is not finite
      store_at(value, y + done);
    });
    done += count;
  }
}

}  // namespace

constinit const DropoutKernels<float> dropout_f32 = {&dropout<float>};
constinit const DropoutKernels<double> dropout_f64 = {&dropout<double>};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
