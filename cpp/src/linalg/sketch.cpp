#include "linalg/sketch.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "runtime/dispatch.hpp"
#include "runtime/philox.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// How many rows of A go into a row of the sketch from each `size` of them, and each into as many.
constexpr Index picks = 4;

// Columns of the sketch that are made at a time, so that they stay in the second-level cache.
constexpr Index most_panel = 64;

// The rows of chunk `chunk` of A that are added up to a row of the sketch, and their signs.
class Picks {
 public:
  Picks(Index chunk, Index size) : size_(size), random_(0, static_cast<std::uint64_t>(chunk)) {
    const std::array<std::uint32_t, 4> words = random_.block(0);
    for (Index l = 0; l < picks; ++l) words_[l] = words[static_cast<std::size_t>(l)];
  }

  // Next to each other for rows of the sketch next to each other, so that they come from memory in
  // order.
  Index row(Index bucket, Index l) const { return (bucket + words_[l]) & (size_ - 1); }

  // The signs of 32 rows of the sketch from `bucket` on, a multiple of 32.
  std::array<std::uint32_t, 4> signs(Index bucket) const {
    return random_.block(static_cast<std::uint64_t>(1 + bucket / 32));
  }

 private:
  Index size_;
  runtime::RandomStream random_;
  std::uint32_t words_[picks];
};

// Rows [first, first + rows) of the columns in `cols`, read in order; those beyond A's are zero.
template <class S>
MatrixView<const double> load_chunk(const MatrixView<const S>& a, Index first, Index rows,
                                    runtime::Range cols, double* to) {
  const Index there = std::min(rows, a.rows - first);
  const S* const from = a.data + first * a.row_stride + cols.begin * a.col_stride;
  if (a.row_stride == 1) {
    for (Index j = 0; j < cols.size(); ++j) {
      for (Index i = 0; i < there; ++i) to[i * most_panel + j] = from[i + j * a.col_stride];
    }
  } else {
    for (Index i = 0; i < there; ++i) {
      const S* const row = from + i * a.row_stride;
      double* const line = to + i * most_panel;
      if (a.col_stride == 1) {
        for (Index j = 0; j < cols.size(); ++j) line[j] = row[j];
      } else {
        for (Index j = 0; j < cols.size(); ++j) line[j] = row[j * a.col_stride];
      }
    }
  }
  std::fill(to + there * most_panel, to + rows * most_panel, 0.0);
  return {to, rows, cols.size(), most_panel, 1};
}

}  // namespace

Index sketch_rows(Index cols) {
  Index rows = 16;
  while (rows < 2 * cols) rows *= 2;
  return rows;
}

Index sketch_scratch(Index cols) {
  return sketch_rows(cols) * most_panel;
}

template <class S>
void find_sums(const runtime::Team& team, const MatrixView<const S>& a,
               const MatrixView<double>& sums, double* scratch) {
  const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
  // Whole cache lines of the sums to each thread.
  constexpr Index grain = 8;
  const runtime::Range mine = team.share(a.cols, grain);
  const Index panels = (mine.size() + most_panel - 1) / most_panel;
  for (Index p = 0; p < panels; ++p) {
    const runtime::Range part = runtime::Team::share(p, panels, mine.size(), grain);
    const runtime::Range cols = {mine.begin + part.begin, mine.begin + part.end};
    const auto sum = [&](Index bucket) {
      return sums.data + bucket * sums.row_stride + cols.begin;
    };
    for (Index i = 0; i < sums.rows; ++i) std::fill_n(sum(i), cols.size(), 0.0);
    for (Index first = 0; first < a.rows; first += sums.rows) {
      const MatrixView<const double> chunk = load_chunk(a, first, sums.rows, cols, scratch);
      const Picks pick(first / sums.rows, sums.rows);
      std::array<std::uint32_t, 4> signs{};
      for (Index bucket = 0; bucket < sums.rows; ++bucket) {
        if (bucket % 32 == 0) signs = pick.signs(bucket);
        const double* rows[picks];
        double weights[picks];
        for (Index l = 0; l < picks; ++l) {
          rows[l] = chunk.data + pick.row(bucket, l) * chunk.row_stride;
          // The inverse of the root of `picks`, so that the sums have the size of A.
          weights[l] = (signs[static_cast<std::size_t>(l)] >> (bucket % 32) & 1) != 0 ? 0.5 : -0.5;
        }
        vector.axpy4(weights, rows, sum(bucket), cols.size());
      }
    }
  }
  team.barrier();
}

template void find_sums<float>(const runtime::Team&, const MatrixView<const float>&,
                               const MatrixView<double>&, double*);
template void find_sums<double>(const runtime::Team&, const MatrixView<const double>&,
                                const MatrixView<double>&, double*);

}  // namespace unitgain::linalg
