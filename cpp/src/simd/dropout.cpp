// Dropout. The random words are those of runtime/philox.hpp, bit for bit; its Source is there.
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// Counters worked on together. The loops over them are plain, over arrays of known size, because
// the compiler turns 32 x 32 -> 64 bit products into vector code that the vector type has no word
// for.
constexpr int blocks = 16;
constexpr Index block_words = 4 * blocks;

// words[4 b ... 4 b + 3] = the Philox4x32-10 block of counter index + b.
UNITGAIN_INLINE void random_words(std::uint64_t key, std::uint64_t stream, std::uint64_t index,
                                  std::uint32_t* words) {
  std::uint32_t counter[4][blocks];
  for (int b = 0; b < blocks; ++b) {
    const std::uint64_t position = index + static_cast<std::uint64_t>(b);
    counter[0][b] = static_cast<std::uint32_t>(position);
    counter[1][b] = static_cast<std::uint32_t>(position >> 32);
    counter[2][b] = static_cast<std::uint32_t>(stream);
    counter[3][b] = static_cast<std::uint32_t>(stream >> 32);
  }
  auto key_low = static_cast<std::uint32_t>(key), key_high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int b = 0; b < blocks; ++b) {
      const std::uint64_t left = std::uint64_t{0xD2511F53u} * counter[0][b];
      const std::uint64_t right = std::uint64_t{0xCD9E8D57u} * counter[2][b];
      counter[0][b] = static_cast<std::uint32_t>(right >> 32) ^ counter[1][b] ^ key_low;
      counter[1][b] = static_cast<std::uint32_t>(right);
      counter[2][b] = static_cast<std::uint32_t>(left >> 32) ^ counter[3][b] ^ key_high;
      counter[3][b] = static_cast<std::uint32_t>(left);
    }
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  for (int b = 0; b < blocks; ++b) {
    for (int word = 0; word < 4; ++word) words[4 * b + word] = counter[word][b];
  }
}

template <class T>
void dropout(const T* x, T* y, Index n, std::uint64_t key, std::uint64_t stream,
             std::uint64_t first, std::uint32_t threshold, T scale) {
  std::uint32_t words[block_words];
  Index done = 0;
  while (done < n) {
    const std::uint64_t position = first + static_cast<std::uint64_t>(done);
    random_words(key, stream, position / 4, words);
    const Index skipped = static_cast<Index>(position % 4);
    const Index count = n - done < block_words - skipped ? n - done : block_words - skipped;
    for (Index i = 0; i < count; ++i) {
      const T kept = x[done + i] * scale;
      y[done + i] = words[skipped + i] >= threshold ? kept : T{0};
    }
    done += count;
  }
}

}  // namespace

constinit const DropoutKernels<float> dropout_f32 = {&dropout<float>};
constinit const DropoutKernels<double> dropout_f64 = {&dropout<double>};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
