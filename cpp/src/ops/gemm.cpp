// The five loops around the micro-kernel.
// Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; the
// names of the loops and block sizes follow Van Zee and van de Geijn, "BLIS", 2015.
//
// Only the cut of k into blocks touches a sum's order, and it depends on k alone: the result has
// the same bits for any team.
#include "ops/gemm.hpp"

#include <cstdint>

#include "ops/column_sums.hpp"
#include "ops/gemm_epilogue.hpp"
#include "ops/gemm_shallow.hpp"
#include "ops/gemm_split.hpp"
#include "ops/gemm_thin.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::ops {

namespace {

// A is packed only where each of its panels is used this often by a thread: below, copying costs
// more than the wider strides do.
constexpr Index least_uses = 8;

// Up to that many rows, a panel of B is read where it lies, packed on the way by its first tile and
// used up at once, while A's panels come from the third-level cache if need be, which they do fast
// enough: of 512 by 1024 by 4096 that is 5% faster than to pack B first, on Zen 5. What a thread
// packs is its own, for lines that one core writes and another reads cost both dearly. Above,
// blocks of A that fit the second level meet a block of B that the team packed.
constexpr Index most_rows_at_once = 1024;
// Members have rows of their own if these are so many at least, or if there are too few columns for
// all, and columns otherwise.
constexpr Index least_own_rows = 256;

bool is_at_once(Index m) {
  return m <= most_rows_at_once;
}

// Into how many parts a product that is done at once cuts its rows: a thread reads all of A or all
// of B, whichever is the smaller.
int row_parts(const TileShape& tile, Index m, Index n, int team_size) {
  const Index row_panels = ceil_div(m, tile.mr), col_panels = ceil_div(n, tile.nr);
  const auto largest = [&](int parts) {
    return ceil_div(row_panels, parts) * ceil_div(col_panels, team_size / parts);
  };
  int best = 1;
  for (int parts = 2; parts <= team_size; ++parts) {
    if (team_size % parts != 0) continue;
    const bool enough = m >= parts * least_own_rows && n <= m;
    if (8 * largest(parts) <= (enough ? 8 : 7) * largest(best)) best = parts;
  }
  return best;
}

template <class T>
TileShape tile_shape() {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  return {kernels.mr, kernels.nr, static_cast<Index>(sizeof(T)), 1};
}

// A block of A as the micro-kernel sees it: panel i starts at data + i * panel_stride.
template <class T>
struct LeftPanels {
  const T* data;
  Index panel_stride;
  Index line_stride;
  Index depth_stride;  // simd::packed_panel: packed
};

template <class T>
LeftPanels<T> in_place(const MatrixView<const T>& a) {
  const Index mr = runtime::kernels<T>().gemm->mr;
  return {a.data, mr * a.row_stride, a.row_stride, a.col_stride};
}

// The panels' part `range`, packed where the whole of A's panels have their place.
template <class T>
LeftPanels<T> packed(const MatrixView<const T>& a, runtime::Range range, T* to) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index first = range.begin * kernels.mr, last = std::min(a.rows, range.end * kernels.mr);
  if (first < last) {
    kernels.pack_a(a.data + first * a.row_stride, a.row_stride, a.col_stride, last - first, a.cols,
                   to + first * a.cols);
  }
  return {to, kernels.mr * a.cols, 1, simd::packed_panel};
}

// A thread's tiles of one column panel, for rows [row, row + rows) of C, A's panels being those of
// these rows.
template <class T>
void multiply_column(const Gemm<T>& problem, const Pass& pass, const LeftPanels<T>& a,
                     runtime::Range panels, simd::RightPanel<T> b, Index row, Index rows, Index col,
                     Index cols) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const T beta = pass.first == 0 ? problem.beta : T{1};
  const T* fetch = b.fetch;
  for (Index ip = panels.begin; ip < panels.end; ++ip) {
    const Index i = ip * kernels.mr, m = std::min(kernels.mr, rows - i);
    T* c = problem.c.data + (row + i) * problem.c.row_stride + col;
    // The second tile is the first with time to fetch: B's own lines are there by then.
    const bool fetches = ip == std::min(panels.begin + 1, panels.end - 1);
    b.fetch = fetches ? fetch : nullptr;
    kernels.tile(pass.depth, a.data + ip * a.panel_stride, a.line_stride, a.depth_stride, b,
                 problem.alpha, beta, c, problem.c.row_stride, m, cols);
    if (b.packed != nullptr) {
      b.data = b.packed;
      b.depth_stride = simd::packed_panel;
      b.packed = nullptr;
    }
    if (pass.is_last) {
      finish(problem, {row + i, row + i + m}, {col, col + cols}, kernels.mr);
    }
  }
}

// Column panel `panel` of B that was packed beforehand.
template <class T>
simd::RightPanel<T> packed_before(const Gemm<T>& problem, const Pass& pass, Index panel) {
  const Index nr = runtime::kernels<T>().gemm->nr;
  const T* values = reinterpret_cast<const T*>(problem.packed->panels);
  return {values + pass.first * round_up(problem.c.cols, nr) + panel * nr * pass.depth,
          simd::packed_panel, nullptr, nullptr, 0};
}

// What a thread packs: a panel of B, and panels of A.
Index panel_bytes(const Blocks& blocks, const TileShape& tile) {
  return runtime::thread_bytes(blocks.kc * tile.nr * tile.value_bytes);
}
Index left_bytes(const Blocks& blocks, const TileShape& tile, Index rows) {
  return runtime::thread_bytes(blocks.kc * round_up(rows, tile.mr) * tile.value_bytes);
}
Index most_rows(const TileShape& tile, Index m, int row_parts) {
  return ceil_div(ceil_div(m, tile.mr), row_parts) * tile.mr;
}
Index at_once_bytes(const Blocks& blocks, const TileShape& tile, Index rows, int team_size) {
  return team_size * (left_bytes(blocks, tile, rows) + panel_bytes(blocks, tile));
}
Index right_bytes(const Blocks& blocks, const TileShape& tile, bool packed) {
  return packed ? 0 : line_bytes(blocks.kc * blocks.nc * tile.value_bytes);
}

// Few rows: no thread reads what another packs.
template <class T>
void multiply_at_once(const runtime::Team& team, const Gemm<T>& problem, const Blocks& blocks,
                      std::byte* workspace) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const TileShape tile = tile_shape<T>();
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const int parts = row_parts(tile, m, n, team.size());
  const Share share = share_grid(team, parts, ceil_div(m, tile.mr), ceil_div(n, tile.nr));
  const bool packs_a = share.cols.size() >= least_uses;
  const Index row = share.rows.begin * tile.mr;
  const Index rows = std::max<Index>(std::min(m, share.rows.end * tile.mr) - row, 0);
  const runtime::Range panels{0, ceil_div(rows, tile.mr)};
  const Index left_size = left_bytes(blocks, tile, most_rows(tile, m, parts));
  std::byte* own = workspace + team.rank() * (left_size + panel_bytes(blocks, tile));
  T* left = reinterpret_cast<T*>(own);
  T* right = reinterpret_cast<T*>(own + left_size);
  if (rows == 0) return;
  for_each_pass(k, blocks.kc, [&](const Pass& pass) {
    const MatrixView<const T> a = block(problem.a, row, pass.first, rows, pass.depth);
    const LeftPanels<T> ready = packs_a ? packed(a, panels, left) : in_place(a);
    for (Index jp = share.cols.begin; jp < share.cols.end; ++jp) {
      const Index col = jp * tile.nr, cols = std::min(tile.nr, n - col);
      simd::RightPanel<T> panel{};
      if (problem.packed != nullptr) {
        panel = packed_before(problem, pass, jp);
      } else {
        const MatrixView<const T> b = block(problem.b, pass.first, col, pass.depth, cols);
        panel = {b.data, b.row_stride, panels.size() > 1 ? right : nullptr,
                 jp + 1 < share.cols.end ? b.data + tile.nr : nullptr, b.row_stride};
        if (b.col_stride != 1) {
          kernels.pack_b(b.data, b.row_stride, b.col_stride, b.rows, cols, right);
          panel = {right, simd::packed_panel, nullptr, nullptr, 0};
        }
      }
      multiply_column(problem, pass, ready, panels, panel, row, rows, col, cols);
    }
  });
}

// Few rows against packed panels: bound by the reading of these.
template <class T>
void multiply_packed_thinly(const runtime::Team& team, const Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const runtime::Range panels = team.share(ceil_div(n, kernels.nr));
  const bool far = is_large(k * n / team.size(), sizeof(T));  // from this thread's caches
  for_each_pass(k, plain_depth<T>(k), [&](const Pass& pass) {
    for (Index jp = panels.begin; jp < panels.end; ++jp) {
      const Index col = jp * kernels.nr, cols = std::min(kernels.nr, n - col);
      runtime::kernels<T>().thin_gemm->panel(
          pass.depth, problem.a.data + pass.first * problem.a.col_stride, problem.a.row_stride,
          problem.a.col_stride, packed_before(problem, pass, jp).data, far, problem.alpha,
          pass.first == 0 ? problem.beta : T{1}, problem.c.data + col, problem.c.row_stride, m,
          cols);
      if (pass.is_last) finish(problem, {0, m}, {col, col + cols}, kernels.mr);
    }
  });
}

template <class T>
void multiply_blocks(const runtime::Team& team, const Gemm<T>& problem, const Blocks& blocks,
                     std::byte* workspace) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const TileShape tile = tile_shape<T>();
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  T* right = reinterpret_cast<T*>(workspace);
  T* left = reinterpret_cast<T*>(workspace + right_bytes(blocks, tile, problem.packed != nullptr) +
                                 team.rank() * left_bytes(blocks, tile, blocks.mc));
  bool meets = false;  // whether the team must wait before B's block may be overwritten
  for (Index first_col = 0; first_col < n; first_col += blocks.nc) {
    const Index width = std::min(blocks.nc, n - first_col);
    const Share share = share_tiles(team, ceil_div(m, tile.mr), ceil_div(width, tile.nr), true);
    const bool packs_a = share.cols.size() >= least_uses;
    const runtime::Range mine{share.rows.begin * tile.mr, std::min(m, share.rows.end * tile.mr)};
    for_each_pass(k, blocks.kc, [&](const Pass& pass) {
      if (problem.packed == nullptr) {
        if (meets) team.barrier();
        meets = true;
        const runtime::Range cols = team.share(width, tile.nr);
        const MatrixView<const T> b =
            block(problem.b, pass.first, first_col + cols.begin, pass.depth, cols.size());
        if (cols.size() > 0) {
          kernels.pack_b(b.data, b.row_stride, b.col_stride, b.rows, b.cols,
                         right + cols.begin * pass.depth);
        }
        team.barrier();
      }
      for (Index row = mine.begin; row < mine.end; row += blocks.mc) {
        const Index rows = std::min(blocks.mc, mine.end - row);
        const MatrixView<const T> a = block(problem.a, row, pass.first, rows, pass.depth);
        const runtime::Range panels{0, ceil_div(rows, tile.mr)};
        const LeftPanels<T> ready = packs_a ? packed(a, panels, left) : in_place(a);
        for (Index jp = share.cols.begin; jp < share.cols.end; ++jp) {
          const Index col = jp * tile.nr, cols = std::min(tile.nr, width - col);
          const simd::RightPanel<T> panel =
              problem.packed != nullptr
                  ? packed_before(problem, pass, first_col / tile.nr + jp)
                  : simd::RightPanel<T>{right + col * pass.depth, simd::packed_panel, nullptr,
                                        nullptr, 0};
          multiply_column(problem, pass, ready, panels, panel, row, rows, first_col + col, cols);
        }
      }
    });
  }
}

// By tiles, but for columns that these do not suit.
template <class T>
void multiply_whole(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  if (problem.packed != nullptr && has_thin_rows(m)) {
    return multiply_packed_thinly(team, problem);
  }
  Gemm<T> rest = problem;
  rest.c.cols = rest.b.cols = n - multiply_edge(team, problem, workspace);
  if (problem.packed == nullptr) workspace += edge_workspace<T>(m, n, k, team.size());
  const Blocks blocks = choose_blocks(tile_shape<T>(), m, rest.c.cols, k);
  if (is_at_once(m)) {
    multiply_at_once(team, rest, blocks, workspace);
  } else {
    multiply_blocks(team, rest, blocks, workspace);
  }
}

// ---- small products ----

// Up to that many multiplications, cutting into shares and packing cost more than the product.
constexpr Index most_small_work = 56 * 56 * 56, most_small_side = 512;
// A tile of more rows has sums enough that none waits for another.
constexpr Index most_waiting_rows = 2;

template <class T>
void multiply_small(const Gemm<T>& problem) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index m = problem.c.rows, n = problem.c.cols;
  if (is_shallow<T>(problem.a.cols)) {
    runtime::kernels<T>().thin_gemm->shallow(problem.a.cols, problem.a.data, problem.a.row_stride,
                                             problem.a.col_stride, problem.b.data,
                                             problem.b.row_stride, problem.alpha, problem.beta,
                                             problem.c.data, problem.c.row_stride, m, n);
    return finish(problem, {0, m}, {0, n}, kernels.mr);
  }
  if (m > 0 && m <= most_waiting_rows && n >= kernels.nr && problem.alpha == T{1} &&
      problem.beta == T{0}) {
    for (Index i = 0; i < m; ++i) std::fill_n(problem.c.data + i * problem.c.row_stride, n, T{0});
    runtime::kernels<T>().thin_gemm->add_rows(
        problem.a.cols, problem.a.data, problem.a.row_stride, problem.a.col_stride, problem.b.data,
        problem.b.row_stride, false, problem.c.data, problem.c.row_stride, m, n);
    return finish(problem, {0, m}, {0, n}, kernels.mr);
  }
  const LeftPanels<T> a = in_place(problem.a);
  const runtime::Range panels{0, ceil_div(m, kernels.mr)};
  for (Index col = 0; col < n; col += kernels.nr) {
    multiply_column(problem, {0, problem.a.cols, true}, a, panels,
                    {problem.b.data + col, problem.b.row_stride, nullptr, nullptr, 0}, 0, m, col,
                    std::min(kernels.nr, n - col));
  }
}

}  // namespace

template <class T>
bool is_small(const Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  if (problem.packed != nullptr || problem.b.col_stride != 1 || m * n * k > most_small_work) {
    return false;
  }
  if (is_shallow<T>(k)) return true;
  return m <= most_small_side && n <= most_small_side && k <= most_small_side &&
         !is_dotted(problem);
}

template <class T>
Index plain_depth(Index k) {
  const TileShape tile = tile_shape<T>();
  return choose_blocks(tile, tile.mr, tile.nr, k).kc;
}

double gemm_work(Index m, Index n, Index k) {
  constexpr double flops_per_nanosecond = 30.0;
  const Index rows = std::max<Index>(m, 2);  // fewer are bound by the reading of B
  return 2.0 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k) /
         flops_per_nanosecond;
}

template <class T>
Index gemm_workspace(Index m, Index n, Index k, int threads, Precision precision, bool packed) {
  const TileShape tile = tile_shape<T>();
  const Blocks blocks = choose_blocks(tile, m, n, k);
  Index bytes = 0;
  if (!is_at_once(m)) {
    bytes = right_bytes(blocks, tile, packed) + threads * left_bytes(blocks, tile, blocks.mc);
  }
  for (int team_size = 1; is_at_once(m) && team_size <= threads; ++team_size) {
    for (const Index cols : {n, n - edge_cols<T>(n)}) {  // with and without what others take
      const Index rows = most_rows(tile, m, row_parts(tile, m, cols, team_size));
      bytes = std::max(bytes, at_once_bytes(blocks, tile, rows, team_size));
    }
  }
  const simd::SplitGemmKernels* split = runtime::split_kernels(precision);
  if (!packed || (split != nullptr && prefers_values(m, split->terms))) {
    if (is_shallow<T>(k)) {
      bytes = shallow_workspace<T>(n, k);
    } else {
      bytes += edge_workspace<T>(m, n, k, threads);
      bytes = std::max(bytes, thin_workspace<T>(m, n, k, threads));
    }
  }
  return std::max(bytes, split_workspace<T>(m, n, k, threads, precision, packed));
}

namespace {

template <class T>
Index find_workspace_up_to(Index m, Index n, Index k, int threads) {
  // What a kind of product needs grows with its shape, but for the rounding of its blocks to whole
  // tiles; and there is a kind for each of these sizes.
  const TileShape tile = tile_shape<T>();
  const Index deepest = choose_blocks(tile, m, n, 1 << 20).kc;
  Index bytes = 0, edge_bytes = 0;
  for (const Index depth : {Index{8}, deepest, k}) {
    for (const Index rows : {Index{1}, Index{2}, tile.mr, 8 * tile.mr, m}) {
      for (const Index cols : {Index{1}, Index{8}, Index{24}, tile.nr, 8 * tile.nr, n}) {
        bytes = std::max(bytes, gemm_workspace<T>(std::min(rows, m), std::min(cols, n),
                                                  std::min(depth, k), threads));
      }
    }
    for (Index edge = 1; edge < tile.nr / 2; ++edge) {
      edge_bytes = std::max(edge_bytes,
                            edge_workspace<T>(m, tile.nr / 2 + edge, std::min(depth, k), threads));
    }
  }
  const Index rows = round_up(std::min(m, most_rows_at_once), tile.mr);
  bytes = std::max(
      bytes, at_once_bytes(choose_blocks(tile, m, n, std::min(k, deepest)), tile, rows, threads));
  bytes += edge_bytes;
  return bytes + (threads + 1) * line_bytes((tile.mr + tile.nr) * deepest * tile.value_bytes);
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
  return ceil_div(m, runtime::kernels<T>().gemm->mr) * n;
}

template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  if (problem.packed != nullptr && problem.packed->split != nullptr &&
      prefers_values(m, problem.packed->split->terms)) {
    Gemm<T> unpacked = problem;
    unpacked.packed = nullptr;
    return gemm(team, unpacked, workspace);
  }
  const bool small = is_small(problem);
  Index group = small ? 0 : multiply_split(team, problem, workspace);
  if (group == 0) {
    group = runtime::kernels<T>().gemm->mr;
    if (small) {
      if (team.rank() == 0) multiply_small(problem);
    } else if (problem.packed == nullptr && is_shallow<T>(k)) {
      multiply_shallow(team, problem, workspace);
    } else if (problem.packed != nullptr || !multiply_thin(team, problem, workspace)) {
      multiply_whole(team, problem, workspace);
    }
  }
  if (problem.column_sums != nullptr) {
    team.barrier();
    column_sums(team, problem.partial_sums, n, ceil_div(m, group), n, problem.column_sums);
  }
}

template bool is_small(const Gemm<float>&);
template bool is_small(const Gemm<double>&);
template Index plain_depth<float>(Index);
template Index plain_depth<double>(Index);
template Index gemm_workspace_up_to<float>(Index, Index, Index, int);
template Index gemm_workspace_up_to<double>(Index, Index, Index, int);
template Index gemm_workspace<float>(Index, Index, Index, int, Precision, bool);
template Index gemm_workspace<double>(Index, Index, Index, int, Precision, bool);
template Index gemm_partial_sums<float>(Index, Index);
template Index gemm_partial_sums<double>(Index, Index);
template void gemm(const runtime::Team&, const Gemm<float>&, std::byte*);
template void gemm(const runtime::Team&, const Gemm<double>&, std::byte*);

}  // namespace unitgain::ops
