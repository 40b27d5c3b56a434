// The five loops around the micro-kernel.
// Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; the
// names of the loops and block sizes follow Van Zee and van de Geijn, "BLIS", 2015.
//
// Only the cut of k into blocks touches a sum's order, and it depends on k alone: the result has
// the same bits for any team.
#include "ops/gemm.hpp"

#include "base/aligned_buffer.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::ops {

namespace {

// Tuned on a Xeon with 48 KB of L1 and 2 MB of L2 a core (benchmarks/matmul.py): a panel of B, kc
// deep, takes two thirds of L1; a thread's rows of A, kc deep, a quarter of L2.
constexpr Index kc_max = 256;
constexpr Index mc_bytes = 512 * 1024;
constexpr Index nc_max = 3072;

// An operand is packed only where each of its panels is used this often: below, copying costs more
// than the wider strides do. The same benchmark, at 32 to 128 rows, shows it.
constexpr Index least_uses = 6;

constexpr Index ceil_div(Index a, Index b) {
  return (a + b - 1) / b;
}
constexpr Index round_up(Index a, Index b) {
  return ceil_div(a, b) * b;
}

struct Blocks {
  Index kc, mc, nc;  // mc is the whole team's
  bool pack_a, pack_b;
};

template <class T>
Blocks choose_blocks(Index m, Index n, Index k, int threads) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index depth_blocks = std::max<Index>(1, ceil_div(k, kc_max));
  Blocks blocks;
  blocks.kc = std::max<Index>(1, ceil_div(k, depth_blocks));
  const Index rows = mc_bytes / (kc_max * static_cast<Index>(sizeof(T)));
  blocks.mc = std::min(round_up(rows * threads, kernels.mr), round_up(m, kernels.mr));
  blocks.nc = std::min(round_up(nc_max, kernels.nr), round_up(n, kernels.nr));
  blocks.pack_a = ceil_div(n, kernels.nr) >= least_uses;
  blocks.pack_b = ceil_div(m, kernels.mr) >= least_uses;
  return blocks;
}

Index packed_bytes(Index values, std::size_t size) {
  return round_up(values * static_cast<Index>(size), static_cast<Index>(base::cache_line));
}

// The rectangle of tiles that falls to one member: the team is laid out as a grid over the block so
// that the largest share is smallest.
struct Share {
  runtime::Range rows, cols;
};

Share share_tiles(const runtime::Team& team, Index row_panels, Index col_panels) {
  int best_rows = 1;
  Index best = 0;
  for (int rows = 1; rows <= team.size(); ++rows) {
    if (team.size() % rows != 0) continue;
    const int cols = team.size() / rows;
    const Index largest = ceil_div(row_panels, rows) * ceil_div(col_panels, cols);
    if (best == 0 || largest <= best) {
      best = largest;
      best_rows = rows;
    }
  }
  return {runtime::Team::share(team.rank() % best_rows, best_rows, row_panels),
          runtime::Team::share(team.rank() / best_rows, team.size() / best_rows, col_panels)};
}

template <class T>
simd::TileEpilogue<T> shifted(simd::TileEpilogue<T> e, Index row, Index col) {
  if (e.scale != nullptr) e.scale += col;
  if (e.bias != nullptr) e.bias += col;
  if (e.output != nullptr) e.output += row * e.output_stride + col;
  if (e.saved != nullptr) e.saved += row * e.saved_stride + col;
  return e;
}

template <class T>
bool is_empty(const simd::TileEpilogue<T>& e) {
  return e.scale == nullptr && e.bias == nullptr && e.output == nullptr && e.saved == nullptr &&
         e.activation.kind == Activation::linear;
}

template <class T>
MatrixView<const T> block(const MatrixView<const T>& view, Index row, Index col, Index rows,
                          Index cols) {
  return {view.data + row * view.row_stride + col * view.col_stride, rows, cols, view.row_stride,
          view.col_stride};
}

// A block of an operand as the micro-kernel sees it: panel i starts at data + i * panel_stride.
template <class T>
struct Panels {
  const T* data;
  Index panel_stride;
  Index line_stride;
  Index depth_stride;  // simd::packed_panel: packed
};

// The two inner loops: this member's tiles of one mc x nc block of C, kc deep.
template <class T>
void multiply_block(const Share& share, const Panels<T>& a, const Panels<T>& b, Index depth,
                    Index row, Index col, Index rows, Index cols, bool last, T beta,
                    const Gemm<T>& problem) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const bool finish = last && !is_empty(problem.epilogue);
  for (Index jp = share.cols.begin; jp < share.cols.end; ++jp) {
    const Index j = jp * kernels.nr, n = std::min(kernels.nr, cols - j);
    for (Index ip = share.rows.begin; ip < share.rows.end; ++ip) {
      const Index i = ip * kernels.mr, m = std::min(kernels.mr, rows - i);
      T* c = problem.c.data + (row + i) * problem.c.row_stride + col + j;
      kernels.tile(depth, a.data + ip * a.panel_stride, a.line_stride, a.depth_stride,
                   b.data + jp * b.panel_stride, b.depth_stride, problem.alpha, beta, c,
                   problem.c.row_stride, m, n);
      if (finish) {
        kernels.epilogue(c, problem.c.row_stride, m, n,
                         shifted(problem.epilogue, row + i, col + j));
      }
    }
  }
}

// The team packs one block of B together, and sees it after the next barrier.
template <class T>
Panels<T> take_b(const runtime::Team& team, const MatrixView<const T>& b, bool pack, T* packed) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  if (!pack) return {b.data, kernels.nr, 1, b.row_stride};
  const runtime::Range cols = team.share(b.cols, kernels.nr);
  if (cols.size() > 0) {
    kernels.pack_b(b.data + cols.begin * b.col_stride, b.row_stride, b.col_stride, b.rows,
                   cols.size(), packed + cols.begin * b.rows);
  }
  return {packed, kernels.nr * b.rows, 1, simd::packed_panel};
}

template <class T>
Panels<T> take_a(const runtime::Team& team, const MatrixView<const T>& a, bool pack, T* packed) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  if (!pack) return {a.data, kernels.mr * a.row_stride, a.row_stride, a.col_stride};
  const runtime::Range rows = team.share(a.rows, kernels.mr);
  if (rows.size() > 0) {
    kernels.pack_a(a.data + rows.begin * a.row_stride, a.row_stride, a.col_stride, rows.size(),
                   a.cols, packed + rows.begin * a.cols);
  }
  return {packed, kernels.mr * a.cols, 1, simd::packed_panel};
}

}  // namespace

double gemm_work(Index m, Index n, Index k) {
  constexpr double flops_per_nanosecond = 60.0;
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) /
         flops_per_nanosecond;
}

template <class T>
Index gemm_workspace(Index m, Index n, Index k, int threads) {
  const Blocks blocks = choose_blocks<T>(m, n, k, threads);
  return packed_bytes(blocks.mc * blocks.kc, sizeof(T)) +
         packed_bytes(blocks.nc * blocks.kc, sizeof(T));
}

template <class T>
void gemm(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  Blocks blocks = choose_blocks<T>(m, n, k, team.size());
  T* packed_a = reinterpret_cast<T*>(workspace);
  T* packed_b = reinterpret_cast<T*>(workspace + packed_bytes(blocks.mc * blocks.kc, sizeof(T)));
  if (problem.b.col_stride != 1) blocks.pack_b = true;

  for (Index col = 0; col < n; col += blocks.nc) {
    const Index cols = std::min(blocks.nc, n - col);
    for (Index first = 0; first == 0 || first < k; first += blocks.kc) {
      const Index depth = std::min(blocks.kc, k - first);
      const bool last = first + depth == k;
      const T beta = first == 0 ? problem.beta : T{1};
      const Panels<T> b =
          take_b(team, block(problem.b, first, col, depth, cols), blocks.pack_b, packed_b);
      for (Index row = 0; row < m; row += blocks.mc) {
        const Index rows = std::min(blocks.mc, m - row);
        const Panels<T> a =
            take_a(team, block(problem.a, row, first, rows, depth), blocks.pack_a, packed_a);
        if (blocks.pack_a || blocks.pack_b) team.barrier();
        const Share share =
            share_tiles(team, ceil_div(rows, kernels.mr), ceil_div(cols, kernels.nr));
        multiply_block(share, a, b, depth, row, col, rows, cols, last, beta, problem);
        const bool more = row + rows < m || !last || col + cols < n;
        if (more && (blocks.pack_a || blocks.pack_b)) team.barrier();
      }
    }
  }
}

template Index gemm_workspace<float>(Index, Index, Index, int);
template Index gemm_workspace<double>(Index, Index, Index, int);
template void gemm(const runtime::Team&, const Gemm<float>&, std::byte*);
template void gemm(const runtime::Team&, const Gemm<double>&, std::byte*);

}  // namespace unitgain::ops
