// Element-wise operations on arrays of any strides: the kernels, which take contiguous runs, are
// called on the arrays themselves where those are contiguous, and on pieces copied through the L1
// cache where they are not.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "ops/grain.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// The common shape of some arrays with the strides of each, in elements, in the order in which
// their elements are visited: along the last array's memory. Dimensions that continue each other in
// every array are one.
template <std::size_t arrays>
class Walk {
 public:
  struct Dimension {
    Index size;
    std::array<Index, arrays> strides;
  };

  // The last array is the one that is written: no two of its elements are the same.
  explicit Walk(std::vector<Dimension> dimensions) {
    for (const Dimension& d : dimensions) size_ *= d.size;
    std::erase_if(dimensions, [](const Dimension& d) { return d.size == 1; });
    std::sort(dimensions.begin(), dimensions.end(), [](const Dimension& a, const Dimension& b) {
      return std::abs(a.strides.back()) > std::abs(b.strides.back());
    });
    for (const Dimension& d : dimensions) {
      if (!dimensions_.empty() && continues(dimensions_.back(), d)) {
        dimensions_.back() = {dimensions_.back().size * d.size, d.strides};
      } else {
        dimensions_.push_back(d);
      }
    }
    if (dimensions_.empty()) dimensions_.push_back({size_, {}});
    if (size_ == 1) dimensions_.back().strides.fill(1);
  }

  Index size() const { return size_; }
  const std::vector<Dimension>& dimensions() const { return dimensions_; }
  const Dimension& inner() const { return dimensions_.back(); }
  // Whether array `a` advances by one element along the innermost dimension.
  bool contiguous(std::size_t a) const { return inner().strides[a] == 1; }

  // Calls body(offsets, n) for each piece of the elements begin ... end that lies within one
  // innermost row, `offsets` being each array's, in elements, where the piece starts.
  template <class Body>
  void for_each_piece(Index begin, Index end, Body&& body) const {
    for (Index at = begin; at < end;) {
      std::array<Index, arrays> offsets = {};
      Index rest = at;
      for (std::size_t d = dimensions_.size(); d-- > 0;) {
        const Index i = d == 0 ? rest : rest % dimensions_[d].size;
        rest /= dimensions_[d].size;
        for (std::size_t a = 0; a < arrays; ++a) offsets[a] += i * dimensions_[d].strides[a];
      }
      const Index n = std::min(end - at, inner().size - at % inner().size);
      body(offsets, n);
      at += n;
    }
  }

 private:
  static bool continues(const Dimension& outer, const Dimension& inner) {
    for (std::size_t a = 0; a < arrays; ++a) {
      if (outer.strides[a] != inner.size * inner.strides[a]) return false;
    }
    return true;
  }

  std::vector<Dimension> dimensions_;
  Index size_ = 1;
};

// kernel(inputs, output, n) for this thread's share of the elements, `inputs` holding a pointer for
// each of the walk's arrays but the last, all to contiguous runs.
template <class T, std::size_t arrays, class Kernel>
void apply(const runtime::Team& team, const Walk<arrays>& walk,
           const std::array<const T*, arrays - 1>& inputs, T* output, Kernel&& kernel) {
  constexpr std::size_t sources = arrays - 1;
  constexpr Index piece = 512, long_row = 64;
  const runtime::Range part = team.share(walk.size(), element_grain);
  bool direct = walk.inner().size >= std::min(long_row, walk.size());
  for (std::size_t a = 0; a < arrays; ++a) direct = direct && walk.contiguous(a);
  std::array<const T*, sources> from;
  if (direct) {
    walk.for_each_piece(part.begin, part.end, [&](const auto& offsets, Index n) {
      for (std::size_t a = 0; a < sources; ++a) from[a] = inputs[a] + offsets[a];
      kernel(from, output + offsets[sources], n);
    });
    return;
  }
  alignas(base::cache_line) T buffers[arrays][piece];
  for (std::size_t a = 0; a < sources; ++a) from[a] = buffers[a];
  for (Index begin = part.begin; begin < part.end; begin += piece) {
    const Index end = std::min(begin + piece, part.end);
    Index done = 0;
    walk.for_each_piece(begin, end, [&](const auto& offsets, Index n) {
      for (std::size_t a = 0; a < sources; ++a) {
        const T* source = inputs[a] + offsets[a];
        const Index stride = walk.inner().strides[a];
        for (Index i = 0; i < n; ++i) buffers[a][done + i] = source[i * stride];
      }
      done += n;
    });
    kernel(from, buffers[sources], end - begin);
    done = 0;
    walk.for_each_piece(begin, end, [&](const auto& offsets, Index n) {
      T* target = output + offsets[sources];
      const Index stride = walk.inner().strides[sources];
      for (Index i = 0; i < n; ++i) target[i * stride] = buffers[sources][done + i];
      done += n;
    });
  }
}

}  // namespace unitgain::ops
