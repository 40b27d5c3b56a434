#include "ops/gemm_plan.hpp"

#include <cmath>
#include <cstdint>

#include "ops/gemm_epilogue.hpp"
#include "ops/gemm_shallow.hpp"
#include "ops/gemm_split.hpp"
#include "ops/gemm_thin.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::ops {

namespace {

// ---- sizes ----

// Whether a product of m rows with a B that is packed in that many terms is to read B itself.
bool prefers_values(Index m, Index terms) {
  return terms > 1 && m <= tuning::most_rows_for_values;
}

template <class T>
const simd::SplitGemmKernels* split_kernels(Precision precision) {
  return std::is_same_v<T, float> ? runtime::split_kernels(precision) : nullptr;
}

template <class T>
GemmSize unpacked_size(Index m, Index n, Index k, Precision precision) {
  const simd::SplitGemmKernels* split = split_kernels<T>(precision);
  const bool pays =
      split != nullptr && std::min(m, n) >= split->least_side && k >= tuning::least_split_depth;
  return {m, n, k, false, pays ? split : nullptr};
}

// Of a B in the panels of these kernels; null: in those of the plain ones.
template <class T>
GemmSize packed_size(Index m, Index n, Index k, Precision precision,
                     const simd::SplitGemmKernels* split) {
  if (split != nullptr && prefers_values(m, split->terms)) {
    return unpacked_size<T>(m, n, k, precision);
  }
  return {m, n, k, true, split};
}

template <class T>
GemmSize size_of(const Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  return problem.packed == nullptr
             ? unpacked_size<T>(m, n, k, problem.precision)
             : packed_size<T>(m, n, k, problem.precision, problem.packed->split);
}

bool has_thin_rows(const GemmSize& size) {
  return size.m > 0 && size.m <= simd::most_thin_rows;
}

template <class T>
bool is_shallow(const GemmSize& size) {
  return !size.packed && size.k >= 1 && size.k <= runtime::kernels<T>().thin_gemm->most_depth;
}

bool is_little_work(const GemmSize& size) {
  return !size.packed && size.m * size.n * size.k <= tuning::most_small_work;
}

bool is_small(const GemmSize& size) {
  return is_little_work(size) && std::max({size.m, size.n, size.k}) <= tuning::most_small_side;
}

template <class T>
bool is_deep(const GemmSize& size) {
  const TileShape tile = tile_shape<T>();
  return !size.packed && size.k >= tuning::least_deep &&
         ceil_div(size.m, tile.mr) * ceil_div(size.n, tile.nr) <= tuning::most_deep_tiles;
}

template <class T>
bool is_summed(const GemmSize& size) {
  if (size.packed || !has_thin_rows(size) || size.n < tile_shape<T>().nr) return false;
  return size.m <= tuning::most_summed_rows || is_large(size.k * size.n / 2, sizeof(T));
}

template <class T>
bool is_turned(const GemmSize& size) {
  return !size.packed && size.n <= tuning::most_turned_cols &&
         size.m >= tuning::least_turned_ratio * size.n && is_large(size.m * size.k, sizeof(T));
}

bool is_dotted(const GemmSize& size) {
  return !size.packed && size.n <= tuning::most_dot_cols && size.k >= tuning::least_dot_depth;
}

// ---- the operands' order ----

// Whether dots, for which B's columns are copied, take less time than tiles, whose vectors are
// mostly empty.
template <class T>
bool gains_by_dots(const Gemm<T>& problem) {
  if (problem.a.col_stride != 1) return false;
  const Index n = problem.c.cols;
  const auto lanes = static_cast<double>(tile_shape<T>().nr / 2);
  const auto rows = static_cast<double>(problem.c.rows), cols = static_cast<double>(n),
             depth = static_cast<double>(problem.a.cols);
  const double vectors = (depth + lanes - 1.0) / lanes;
  const double copies = problem.b.row_stride == 1   ? 0.0
                        : problem.b.row_stride == n ? cols * (cols + 1.0) / 2.0 * vectors
                                                    : cols * depth;
  const double dots = copies + rows * cols * (vectors / 2.0 + tuning::fold_cycles);
  const double tiles =
      depth * std::max(tuning::tile_latency, rows * std::ceil(cols / lanes) / 2.0) +
      tuning::store_cycles * rows;
  return dots < tiles;
}

template <class T>
bool takes_dotted(const Gemm<T>& problem) {
  return is_dotted(GemmSize{problem.c.rows, problem.c.cols, problem.a.cols, false, nullptr}) &&
         gains_by_dots(problem);
}

template <class T>
bool has_right_rows(const Gemm<T>& problem) {
  return problem.b.col_stride == 1;
}
template <class T>
bool has_left_columns(const Gemm<T>& problem) {
  return problem.a.row_stride == 1 && problem.a.col_stride != 1;
}

// ---- the last columns ----

template <class T>
Index edge_cols(const GemmSize& size) {
  const Index lanes = tile_shape<T>().nr / 2, edge = size.n % lanes;
  const bool gains = !size.packed && size.k >= tuning::least_dot_depth && size.n > lanes &&
                     edge <= tuning::most_dot_cols && size.n <= tuning::most_edged_vectors * lanes;
  return gains ? edge : 0;
}

// Whether few columns of a left operand in column order are better done as the product of the
// transposes.
template <class T>
bool gains_by_turning(const Gemm<T>& problem) {
  if (!has_left_columns(problem)) return false;
  const Index m = problem.c.rows, n = problem.c.cols, depth = problem.a.cols;
  return ceil_div(m, tile_shape<T>().nr) * depth * std::max(tuning::turned_latency, n) +
             tuning::turned_copies * m * n <
         m * depth / 2;
}

template <class T>
Edge edge_of(const Gemm<T>& problem, Index cols) {
  if (cols == 0 || problem.column_sums != nullptr) return Edge::none;
  const Gemm<T> edge = last_cols(problem, cols);
  if (takes_dotted(edge)) return Edge::dotted;
  return gains_by_turning(edge) ? Edge::turned : Edge::none;
}

template <class T>
Index edge_bytes_of(Edge edge, const GemmSize& size, Index cols, int threads) {
  switch (edge) {
    case Edge::none:
      return 0;
    case Edge::dotted:
      return dotted_workspace<T>(cols, size.k);
    case Edge::turned:
      return turned_workspace<T>(size.m, cols, size.k, threads);
  }
  return 0;
}

// ---- the routes ----

// The memory of the loops for a product of any columns up to n.
template <class T>
Index at_once_bytes_of(const GemmSize& size, Index cols, int threads) {
  const TileShape tile = tile_shape<T>();
  const Blocks blocks = choose_blocks(tile, size.m, cols, size.k);
  Index bytes = 0;
  for (int team_size = 1; team_size <= threads; ++team_size) {
    const Index rows = most_rows(tile, size.m, row_parts(tile, size.m, cols, team_size));
    bytes = std::max(bytes, at_once_bytes(blocks, tile, rows, team_size));
  }
  return bytes;
}

template <class T>
Index blocks_bytes_of(const GemmSize& size, Index cols, int threads) {
  const TileShape tile = tile_shape<T>();
  const Blocks blocks = choose_blocks(tile, size.m, cols, size.k);
  return (size.packed ? 0 : right_bytes(blocks, tile)) +
         threads * left_bytes(blocks, tile, blocks.mc);
}

template <class T>
struct Way {
  Route route;
  bool (*fits)(const GemmSize&);  // by its size
  bool (*suits)(const Gemm<T>&);  // by the order of its operands; null: in any
  Index (*bytes)(const GemmSize&, Index cols, int threads);  // of the columns but for the edge
};

constexpr auto no_bytes = [](const GemmSize&, Index, int) -> Index { return 0; };

// A product goes the first way that its size fits and its operands suit.
template <class T>
constexpr Way<T> ways[] = {
    {Route::small_shallow,
     [](const GemmSize& size) { return is_little_work(size) && is_shallow<T>(size); },
     has_right_rows<T>, no_bytes},
    {Route::small_rows,
     [](const GemmSize& size) {
       return is_small(size) && size.m > 0 && size.m <= tuning::most_waiting_rows &&
              size.n >= tile_shape<T>().nr;
     },
     [](const Gemm<T>& problem) {
       return has_right_rows(problem) && problem.alpha == T{1} && problem.beta == T{0} &&
              !takes_dotted(problem);
     },
     no_bytes},
    {Route::small_tiles, is_small,
     [](const Gemm<T>& problem) { return has_right_rows(problem) && !takes_dotted(problem); },
     no_bytes},
    {Route::split, [](const GemmSize& size) { return size.split != nullptr; }, nullptr,
     [](const GemmSize& size, Index, int threads) { return split_workspace(size, threads); }},
    {Route::shallow, is_shallow<T>, nullptr,
     [](const GemmSize& size, Index, int) { return shallow_workspace<T>(size.n, size.k); }},
    {Route::packed_rows, [](const GemmSize& size) { return size.packed && has_thin_rows(size); },
     nullptr, no_bytes},
    {Route::deep, is_deep<T>, nullptr,
     [](const GemmSize& size, Index, int threads) {
       return deep_workspace<T>(size.m, size.n, size.k, threads);
     }},
    {Route::dots,
     [](const GemmSize& size) {
       return !size.packed && size.m <= tuning::most_dot_rows && size.n > size.m &&
              size.k >= tuning::least_dot_depth;
     },
     [](const Gemm<T>& problem) {
       return problem.a.col_stride == 1 && problem.b.row_stride == 1 && problem.b.col_stride != 1;
     },
     no_bytes},
    {Route::summed, is_summed<T>, has_right_rows<T>,
     [](const GemmSize& size, Index, int) { return summed_workspace<T>(size.m, size.n, size.k); }},
    {Route::turned_vector, [](const GemmSize& size) { return size.n == 1 && is_turned<T>(size); },
     [](const Gemm<T>& problem) { return has_left_columns(problem) && problem.c.row_stride == 1; },
     [](const GemmSize& size, Index, int) { return summed_workspace<T>(size.n, size.m, size.k); }},
    {Route::turned, is_turned<T>, has_left_columns<T>,
     [](const GemmSize& size, Index, int threads) {
       return turned_workspace<T>(size.m, size.n, size.k, threads);
     }},
    {Route::dotted, is_dotted, gains_by_dots<T>,
     [](const GemmSize& size, Index, int) { return dotted_workspace<T>(size.n, size.k); }},
    {Route::at_once, [](const GemmSize& size) { return size.m <= tuning::most_rows_at_once; },
     nullptr, at_once_bytes_of<T>},
    {Route::blocks, [](const GemmSize&) { return true; }, nullptr, blocks_bytes_of<T>},
};

bool has_edge(Route route) {
  return route == Route::at_once || route == Route::blocks;
}

template <class T>
const Way<T>& way_of(Route route) {
  static_assert(std::size(ways<T>) == static_cast<std::size_t>(Route::blocks) + 1);
  return ways<T>[static_cast<std::size_t>(route)];
}

// The most that a product of this size may need, its operands in any order; `all`: nor does it
// matter whether another way is taken for certain.
template <class T>
Index most_bytes(const GemmSize& size, int threads, bool all) {
  Index bytes = 0;
  for (const Way<T>& way : ways<T>) {
    if (!way.fits(size)) continue;
    Index needed = way.bytes(size, size.n, threads);
    if (const Index edge = has_edge(way.route) ? edge_cols<T>(size) : 0; edge > 0) {
      needed = std::max(needed, way.bytes(size, size.n - edge, threads)) +
               std::max(edge_bytes_of<T>(Edge::dotted, size, edge, threads),
                        edge_bytes_of<T>(Edge::turned, size, edge, threads));
    }
    bytes = std::max(bytes, needed);
    if (way.suits == nullptr && !all) break;
  }
  return bytes;
}

}  // namespace

template <class T>
GemmPlan<T> plan_gemm(const Gemm<T>& problem) {
  GemmPlan<T> plan{.size = size_of(problem), .route = Route::blocks, .group = tile_shape<T>().mr};
  for (const Way<T>& way : ways<T>) {
    if (!way.fits(plan.size) || (way.suits != nullptr && !way.suits(problem))) continue;
    plan.route = way.route;
    break;
  }
  const auto& [m, n, k, packed, split] = plan.size;
  if (plan.route == Route::split) {
    plan.blocks = split_blocks(*split, m, n, k);
    plan.group = split->mr;
  } else if (plan.route == Route::packed_rows) {
    plan.blocks = choose_blocks(tile_shape<T>(), m, n, k);
  } else if (has_edge(plan.route)) {
    plan.edge = edge_of(problem, edge_cols<T>(plan.size));
    plan.edge_cols = plan.edge == Edge::none ? 0 : edge_cols<T>(plan.size);
    plan.blocks = choose_blocks(tile_shape<T>(), m, n - plan.edge_cols, k);
  }
  return plan;
}

template <class T>
Index GemmPlan<T>::edge_bytes(int threads) const {
  return edge_bytes_of<T>(edge, size, edge_cols, threads);
}

template <class T>
Index GemmPlan<T>::bytes(int threads) const {
  return way_of<T>(route).bytes(size, size.n - edge_cols, threads) + edge_bytes(threads);
}

template <class T>
Index gemm_workspace(Index m, Index n, Index k, int threads, Precision precision, bool packed) {
  if (!packed) return most_bytes<T>(unpacked_size<T>(m, n, k, precision), threads, false);
  // B is in the panels of the plain kernels where the terms cannot hold it.
  Index bytes = 0;
  for (const simd::SplitGemmKernels* split : {split_kernels<T>(precision), {}}) {
    const GemmSize size = packed_size<T>(m, n, k, precision, split);
    bytes = std::max(bytes, most_bytes<T>(size, threads, false));
  }
  return bytes;
}

namespace {

template <class T>
Index find_workspace_up_to(Index m, Index n, Index k, int threads) {
  // A path's workspace grows with the product's shape, but for the rounding of its blocks to whole
  // tiles; and there is a path for each of these sizes.
  const TileShape tile = tile_shape<T>();
  const Index deepest = choose_blocks(tile, m, n, 1 << 20).kc;
  const simd::SplitGemmKernels* const split = split_kernels<T>(Precision::highest);
  const Index deepest_split = split == nullptr ? k : split_blocks(*split, m, n, 1 << 20).kc;
  Index bytes = 0, edge_bytes = 0;
  for (const Index depth : {Index{8}, deepest, deepest_split, k}) {
    for (const Index rows : {Index{1}, Index{2}, tile.mr, 8 * tile.mr, m}) {
      for (const Index cols : {Index{1}, Index{8}, Index{24}, tile.nr, 8 * tile.nr, n}) {
        const GemmSize size = {std::min(rows, m), std::min(cols, n), std::min(depth, k), false,
                               split};
        bytes = std::max(bytes, most_bytes<T>(size, threads, true));
      }
    }
    for (Index edge = 1; edge < tile.nr / 2; ++edge) {
      const GemmSize size = {m, tile.nr / 2 + edge, std::min(depth, k), false, nullptr};
      if (edge_cols<T>(size) == 0) continue;
      for (const Edge kind : {Edge::dotted, Edge::turned}) {
        edge_bytes = std::max(edge_bytes, edge_bytes_of<T>(kind, size, edge, threads));
      }
    }
  }
  const Index rows = round_up(std::min(m, tuning::most_rows_at_once), tile.mr);
  bytes = std::max(
      bytes, at_once_bytes(choose_blocks(tile, m, n, std::min(k, deepest)), tile, rows, threads));
  Index tiles = line_bytes((tile.mr + tile.nr) * deepest * tile.value_bytes);
  if (split != nullptr) {
    tiles = std::max(tiles, line_bytes((split->mr + split->nr) * deepest_split * 2 * split->terms));
  }
  return bytes + edge_bytes + (threads + 1) * tiles;
}

}  // namespace

template <class T>
Index gemm_workspace_up_to(Index m, Index n, Index k, int threads) {
  // Decompositions of small matrices ask for the same shapes again and again, and finding an answer
  // takes as long as the products of a matrix of order 32 do. It depends on nothing else.
  struct Answer {
    Index m, n, k;
    int threads;
    Index bytes;
  };
  thread_local Answer answers[256] = {};
  // Multiplicative hashing (Knuth, volume 3, 6.4), for sizes are often multiples of powers of two.
  const auto key = static_cast<std::uint64_t>(((m * 31 + n) * 31 + k) * 31 + threads);
  Answer& answer = answers[key * 0x9E3779B97F4A7C15 >> 56];
  if (answer.bytes == 0 || answer.m != m || answer.n != n || answer.k != k ||
      answer.threads != threads) {
    answer = {m, n, k, threads, find_workspace_up_to<T>(m, n, k, threads)};
  }
  return answer.bytes;
}

template <class T>
Index gemm_partial_sums(Index m, Index n) {
  return ceil_div(m, tile_shape<T>().mr) * n;
}

double gemm_work(Index m, Index n, Index k) {
  const Index rows = std::max(m, tuning::least_work_rows);
  return 2.0 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k) /
         tuning::flops_per_nanosecond;
}

#define UNITGAIN_INSTANTIATE(T)                                                \
  template struct GemmPlan<T>;                                                 \
  template GemmPlan<T> plan_gemm(const Gemm<T>&);                              \
  template Index gemm_workspace<T>(Index, Index, Index, int, Precision, bool); \
  template Index gemm_workspace_up_to<T>(Index, Index, Index, int);            \
  template Index gemm_partial_sums<T>(Index, Index);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
