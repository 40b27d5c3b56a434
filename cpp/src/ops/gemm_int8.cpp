// A thread has its share of C, a rectangle, and quantizes the rows of A for itself: what threads
// with the same rows do twice costs less than to wait for each other. Blocks of rows stay in the
// second-level cache, and the panels of the weights go by once for each block.
#include "ops/gemm_int8.hpp"

#include "ops/gemm_blocks.hpp"
#include "ops/gemm_epilogue.hpp"
#include "runtime/cache_sizes.hpp"
#include "runtime/int8_kernels.hpp"
#include "runtime/workspace.hpp"

namespace unitgain::ops {

namespace {

using simd::Int8GemmKernels;
using simd::QuantizedRow;

// Tuned on Zen 4; `python -m unitgain.benchmarks --suite inference` shows it.
// A product of fewer rows takes as long as one of so many, since it waits for the weights.
constexpr Index least_work_rows = 3;
// Multiply-adds a nanosecond, by the depths that a word holds.
constexpr double rate_of_bytes = 200, rate_of_pairs = 80;
constexpr double quantize_rate = 5;  // values a nanosecond
constexpr Index second_level_parts = 4;

// Rows start at addresses that differ in the bits that choose a line of the first-level cache.
Index row_bytes(const Int8GemmKernels& kernels, Index k) {
  constexpr auto line = static_cast<Index>(base::cache_line);
  const Index lines = ceil_div(ceil_div(k, kernels.group) * 4, line);
  return (lines | 1) * line;
}

Index block_rows(const Int8GemmKernels& kernels, Index k) {
  const Index rows = runtime::cache_sizes().second / second_level_parts / row_bytes(kernels, k);
  return std::max<Index>(1, rows / kernels.mr) * kernels.mr;
}

// One thread's part of the workspace.
struct Memory {
  Memory(const Int8GemmKernels& kernels, Index m, Index k, int rank, std::byte* base) {
    const Index rows = std::min(m, block_rows(kernels, k));
    const Index words_bytes = rows * row_bytes(kernels, k);
    const Index sums_bytes = kernels.mr * kernels.nr * 4;
    bytes = runtime::thread_bytes(words_bytes + sums_bytes +
                                  rows * static_cast<Index>(sizeof(QuantizedRow)));
    words = base + rank * bytes;
    sums = reinterpret_cast<std::int32_t*>(words + words_bytes);
    scalings = reinterpret_cast<QuantizedRow*>(words + words_bytes + sums_bytes);
  }

  std::byte* words;
  std::int32_t* sums;
  QuantizedRow* scalings;
  Index bytes;
};

// Into how many parts the team cuts the rows: so that the largest share is smallest, and among
// equals the most parts if each fills a tile, so that fewer rows are quantized twice.
int row_parts_of(const Int8GemmKernels& kernels, Index m, Index panels, int team_size) {
  const auto largest = [&](int parts) {
    return std::max(ceil_div(m, parts), least_work_rows) * ceil_div(panels, team_size / parts);
  };
  int best = 1;
  for (int parts = 2; parts <= team_size; ++parts) {
    if (team_size % parts != 0) continue;
    const bool fills = ceil_div(m, parts) >= kernels.mr;
    if (largest(parts) < largest(best) || (fills && largest(parts) == largest(best))) best = parts;
  }
  return best;
}

class Int8Product {
 public:
  Int8Product(const runtime::Team& team, const Gemm<float>& problem, const QuantizedMatrix& b,
              std::byte* workspace)
      : kernels_(runtime::int8_kernels()),
        problem_(problem),
        b_(b),
        memory_(kernels_, problem.c.rows, b.rows(), team.rank(), workspace),
        row_bytes_(row_bytes(kernels_, b.rows())) {
    const Index panels = ceil_div(b.cols(), kernels_.nr);
    const int parts = row_parts_of(kernels_, problem.c.rows, panels, team.size());
    rows_ = runtime::Team::share(team.rank() % parts, parts, problem.c.rows);
    panels_ = runtime::Team::share(team.rank() / parts, team.size() / parts, panels);
    far_ = is_large(panels_.size() * b.panel_bytes(), 1);
  }

  void run() const {
    if (rows_.size() == 0 || panels_.size() == 0) return;
    const Index blocks = ceil_div(rows_.size(), block_rows(kernels_, b_.rows()));
    for (Index i = 0; i < blocks; ++i) multiply_block(part(rows_, i, blocks));
  }

 private:
  // Part i of a range in as many, as even as can be.
  static runtime::Range part(const runtime::Range& all, Index i, Index parts) {
    return {all.begin + all.size() * i / parts, all.begin + all.size() * (i + 1) / parts};
  }

  void multiply_block(const runtime::Range& rows) const {
    for (Index i = 0; i < rows.size(); ++i) {
      kernels_.quantize_row(problem_.a.data + (rows.begin + i) * problem_.a.row_stride, b_.rows(),
                            memory_.words + i * row_bytes_, memory_.scalings + i);
    }
    const Index tiles = ceil_div(rows.size(), kernels_.mr);
    for (Index panel = panels_.begin; panel < panels_.end; ++panel) {
      for (Index i = 0; i < tiles; ++i) multiply_tile(rows, part(rows, i, tiles), panel);
    }
  }

  void multiply_tile(const runtime::Range& block, const runtime::Range& rows, Index panel) const {
    const Index first = rows.begin - block.begin, col = panel * kernels_.nr;
    const Index n = std::min(kernels_.nr, b_.cols() - col);
    kernels_.tile(ceil_div(b_.rows(), kernels_.group), memory_.words + first * row_bytes_,
                  row_bytes_, b_.panel(panel), far_, rows.size(), n, memory_.sums);
    kernels_.dequantize(memory_.sums, memory_.scalings + first, b_.scales() + col,
                        b_.column_sums() + col,
                        problem_.c.data + rows.begin * problem_.c.row_stride + col,
                        problem_.c.row_stride, rows.size(), n);
    finish(problem_, rows, {col, col + n}, kernels_.mr);
  }

  const Int8GemmKernels& kernels_;
  const Gemm<float>& problem_;
  const QuantizedMatrix& b_;
  Memory memory_;
  Index row_bytes_;
  runtime::Range rows_, panels_;
  bool far_;
};

}  // namespace

void gemm_int8(const runtime::Team& team, const Gemm<float>& problem, const QuantizedMatrix& b,
               std::byte* workspace) {
  Int8Product(team, problem, b, workspace).run();
}

Index gemm_int8_workspace(Index m, Index k, int threads) {
  return Memory(runtime::int8_kernels(), m, k, 0, nullptr).bytes * threads;
}

double gemm_int8_work(Index m, Index n, Index k) {
  const double rate = runtime::int8_kernels().group == 4 ? rate_of_bytes : rate_of_pairs;
  const auto rows = static_cast<double>(std::max(m, least_work_rows));
  const auto depth = static_cast<double>(k);
  return rows * static_cast<double>(n) * depth / rate +
         static_cast<double>(m) * depth / quantize_rate;
}

}  // namespace unitgain::ops
