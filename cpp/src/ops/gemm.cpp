// The five loops around the micro-kernel.
// Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; the
// names of the loops and block sizes follow Van Zee and van de Geijn, "BLIS", 2015.
//
// Only the cut of k into blocks touches a sum's order, and it depends on k alone: the result has
// the same bits for any team.
#include "ops/gemm.hpp"

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
  const PlainLayout<T> layout(problem.c.cols);
  const T* values = reinterpret_cast<const T*>(problem.packed->panels);
  return {values + layout.offset(pass, panel * layout.nr), simd::packed_panel, nullptr, nullptr, 0};
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
  const bool packs_a = share.cols.size() >= tuning::least_uses;
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
void multiply_packed_rows(const runtime::Team& team, const Gemm<T>& problem,
                          const GemmPlan<T>& plan) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const runtime::Range panels = team.share(ceil_div(n, kernels.nr));
  const bool far = is_large(k * n / team.size(), sizeof(T));  // from this thread's caches
  for_each_pass(k, plan.blocks.kc, [&](const Pass& pass) {
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
  T* left =
      reinterpret_cast<T*>(workspace + (problem.packed != nullptr ? 0 : right_bytes(blocks, tile)) +
                           team.rank() * left_bytes(blocks, tile, blocks.mc));
  bool meets = false;  // whether the team must wait before B's block may be overwritten
  for (Index first_col = 0; first_col < n; first_col += blocks.nc) {
    const Index width = std::min(blocks.nc, n - first_col);
    const Share share = share_tiles(team, ceil_div(m, tile.mr), ceil_div(width, tile.nr), true);
    const bool packs_a = share.cols.size() >= tuning::least_uses;
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

// The last columns if they go a way of their own, and the others by the loops.
template <class T>
void multiply_whole(const runtime::Team& team, const Gemm<T>& problem, const GemmPlan<T>& plan,
                    std::byte* workspace) {
  const Gemm<T> edge = last_cols(problem, plan.edge_cols);
  if (plan.edge == Edge::dotted) multiply_dotted(team, edge, workspace);
  if (plan.edge == Edge::turned) multiply_turned(team, edge, workspace);
  Gemm<T> rest = problem;
  rest.c.cols = rest.b.cols = problem.c.cols - plan.edge_cols;
  workspace += plan.edge_bytes(team.size());
  if (plan.route == Route::at_once) {
    multiply_at_once(team, rest, plan.blocks, workspace);
  } else {
    multiply_blocks(team, rest, plan.blocks, workspace);
  }
}

// ---- small products ----

template <class T>
void multiply_small_shallow(const Gemm<T>& problem) {
  runtime::kernels<T>().thin_gemm->shallow(
      problem.a.cols, problem.a.data, problem.a.row_stride, problem.a.col_stride, problem.b.data,
      problem.b.row_stride, problem.alpha, problem.beta, problem.c.data, problem.c.row_stride,
      problem.c.rows, problem.c.cols);
}

template <class T>
void multiply_small_rows(const Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols;
  for (Index i = 0; i < m; ++i) std::fill_n(problem.c.data + i * problem.c.row_stride, n, T{0});
  runtime::kernels<T>().thin_gemm->add_rows(
      problem.a.cols, problem.a.data, problem.a.row_stride, problem.a.col_stride, problem.b.data,
      problem.b.row_stride, false, problem.c.data, problem.c.row_stride, m, n);
}

template <class T>
void multiply_small_tiles(const Gemm<T>& problem) {
  const TileShape tile = tile_shape<T>();
  const Index m = problem.c.rows, n = problem.c.cols;
  const LeftPanels<T> a = in_place(problem.a);
  const runtime::Range panels{0, ceil_div(m, tile.mr)};
  for (Index col = 0; col < n; col += tile.nr) {
    multiply_column(problem, {0, problem.a.cols, true}, a, panels,
                    {problem.b.data + col, problem.b.row_stride, nullptr, nullptr, 0}, 0, m, col,
                    std::min(tile.nr, n - col));
  }
}

template <class T>
void multiply_small(const Gemm<T>& problem, Route route) {
  if (route == Route::small_tiles) return multiply_small_tiles(problem);
  if (route == Route::small_rows) {
    multiply_small_rows(problem);
  } else {
    multiply_small_shallow(problem);
  }
  finish(problem, {0, problem.c.rows}, {0, problem.c.cols}, tile_shape<T>().mr);
}

template <class T>
void multiply(const runtime::Team& team, const Gemm<T>& problem, const GemmPlan<T>& plan,
              std::byte* workspace) {
  switch (plan.route) {
    case Route::small_shallow:
    case Route::small_rows:
    case Route::small_tiles:
      if (team.rank() == 0) multiply_small(problem, plan.route);
      return;
    case Route::split:
      if constexpr (std::is_same_v<T, float>) multiply_split(team, problem, plan, workspace);
      return;
    case Route::shallow:
      return multiply_shallow(team, problem, workspace);
    case Route::packed_rows:
      return multiply_packed_rows(team, problem, plan);
    case Route::deep:
      return multiply_deep(team, problem, workspace);
    case Route::dots:
      return multiply_dots(team, problem);
    case Route::summed:
      return multiply_summed(team, problem, workspace);
    case Route::turned_vector:
      return multiply_turned_vector(team, problem, workspace);
    case Route::turned:
      return multiply_turned(team, problem, workspace);
    case Route::dotted:
      return multiply_dotted(team, problem, workspace);
    case Route::at_once:
    case Route::blocks:
      return multiply_whole(team, problem, plan, workspace);
  }
}

}  // namespace

template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, const GemmPlan<T>& plan,
          std::byte* workspace) {
  if (problem.packed != nullptr && !plan.size.packed) {
    Gemm<T> unpacked = problem;
    unpacked.packed = nullptr;
    return gemm(team, unpacked, plan, workspace);
  }
  multiply(team, problem, plan, workspace);
  if (problem.column_sums != nullptr) {
    team.barrier();
    column_sums(team, problem.partial_sums, problem.c.cols, ceil_div(problem.c.rows, plan.group),
                problem.c.cols, problem.column_sums);
  }
}

template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  gemm(team, problem, plan_gemm(problem), workspace);
}

template void gemm(const runtime::Team&, const Gemm<float>&, const GemmPlan<float>&, std::byte*);
template void gemm(const runtime::Team&, const Gemm<double>&, const GemmPlan<double>&, std::byte*);
template void gemm(const runtime::Team&, const Gemm<float>&, std::byte*);
template void gemm(const runtime::Team&, const Gemm<double>&, std::byte*);

}  // namespace unitgain::ops
