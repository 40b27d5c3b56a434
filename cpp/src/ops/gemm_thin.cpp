#include "ops/gemm_thin.hpp"

#include <cmath>

#include "ops/gemm_epilogue.hpp"
#include "ops/grain.hpp"
#include "runtime/cache_sizes.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::ops {

namespace {

// The sums alone, of a C with any strides.
template <class T>
struct Product {
  MatrixView<const T> a, b;
  MatrixView<T> c;
  T alpha, beta;

  Product turned_over() const { return {transposed(b), transposed(a), transposed(c), alpha, beta}; }
};

// ---- rows by rows: operands that both have their depth along memory ----

// Below, adding up the lanes of each sum costs more than packing.
constexpr Index least_dot_depth = 17;
// From here on packing pays.
constexpr Index most_dot_rows = 32;
constexpr Index dot_depth = 1024;  // of a block: the rows of A stay in the second-level cache
constexpr Index dot_grain = 16;

template <class T>
runtime::Range multiply_dots(const runtime::Team& team, const Product<T>& p, Index grain) {
  const simd::ThinGemmKernels<T>& kernels = *runtime::kernels<T>().thin_gemm;
  const Index k = p.a.cols;
  const runtime::Range cols = team.share(p.c.cols, grain);
  if (cols.size() == 0) return cols;
  for (Index first = 0; first < k; first += dot_depth) {
    const Index depth = std::min(dot_depth, k - first);
    kernels.dots(depth, p.a.data + first, p.a.row_stride, p.a.rows,
                 p.b.data + first + cols.begin * p.b.col_stride, p.b.col_stride, cols.size(),
                 p.alpha, first == 0 ? p.beta : T{1}, p.c.data + cols.begin * p.c.col_stride,
                 p.c.row_stride, p.c.col_stride);
  }
  return cols;
}

// ---- few rows against a matrix in row order ----

// They are sums of B's rows, read along memory: a panel would take a piece of each, and a tile's
// loads and stores time that there is none of. The depth is cut into parts of at most so many rows,
// each a chain of sums: threads take whole parts, which they read from end to end. A multiple of
// four parts is even for most teams.
constexpr Index most_part_rows = 128, even_parts = 4;

Index summed_parts(Index k) {
  const Index parts = ceil_div(k, most_part_rows);
  return parts == 1 ? 1 : round_up(parts, even_parts);
}

// More than two rows keep a tile busy: they gain only where panels would be read from afar.
template <class T>
bool is_summed(Index m, Index n, Index k) {
  if (!has_thin_rows(m) || n < runtime::kernels<T>().gemm->nr) return false;
  return m <= 2 || is_large(k * n / 2, sizeof(T));
}

template <class T>
Index summed_workspace(Index m, Index n, Index k) {
  return line_bytes(summed_parts(k) * m * n * static_cast<Index>(sizeof(T)));
}

template <class T>
runtime::Range multiply_summed(const runtime::Team& team, const Product<T>& p, Index grain,
                               std::byte* workspace) {
  const Index m = p.c.rows, n = p.c.cols, k = p.a.cols, parts = summed_parts(k);
  const runtime::Range cols = team.share(n, grain);
  const bool whole = parts >= team.size();
  const runtime::Range mine = whole ? team.share(parts) : runtime::Range{0, parts};
  const runtime::Range width = whole ? runtime::Range{0, n} : cols;
  const bool far = is_large(k * n / team.size(), sizeof(T));  // from this thread's caches
  T* sums = reinterpret_cast<T*>(workspace);
  for (Index part = mine.begin; part < mine.end; ++part) {
    const Index first = k * part / parts, depth = k * (part + 1) / parts - first;
    T* to = sums + part * m * n + width.begin;
    for (Index i = 0; i < m; ++i) std::fill(to + i * n, to + i * n + width.size(), T{0});
    runtime::kernels<T>().thin_gemm->add_rows(depth, p.a.data + first * p.a.col_stride,
                                              p.a.row_stride, p.a.col_stride,
                                              p.b.data + first * p.b.row_stride + width.begin,
                                              p.b.row_stride, far, to, n, m, width.size());
  }
  if (whole) team.barrier();
  if (cols.size() == 0) return cols;
  for (Index i = 0; i < m; ++i) {
    T* total = sums + i * n + cols.begin;
    for (Index part = 1; part < parts; ++part) {
      runtime::kernels<T>().vector->add(total, total + part * m * n, total, cols.size());
    }
  }
  runtime::kernels<T>().gemm->store(sums + cols.begin, n, p.alpha, p.beta,
                                    p.c.data + cols.begin * p.c.col_stride, p.c.row_stride, m,
                                    cols.size());
  return cols;
}

// ---- few columns, of a left operand in row order ----

constexpr Index most_dot_cols = 8;

Index dotted_stride(Index k) {
  return round_up(k, 16);
}

template <class T>
void multiply_dotted(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index n = problem.c.cols, k = problem.a.cols;
  Product<T> over =
      Product<T>{problem.a, problem.b, problem.c, problem.alpha, problem.beta}.turned_over();
  if (problem.b.row_stride != 1) {
    T* columns = reinterpret_cast<T*>(workspace);
    const Index stride = dotted_stride(k);
    const runtime::Range part = team.share(k, 16);
    runtime::kernels<T>().thin_gemm->pack_columns(
        problem.b.data + part.begin * problem.b.row_stride, problem.b.row_stride,
        problem.b.col_stride, part.size(), n, columns + part.begin, stride);
    team.barrier();
    over.a = {columns, n, k, stride, 1};
  }
  const Index group = runtime::kernels<T>().gemm->mr;
  finish(problem, multiply_dots(team, over, group), {0, n}, group);
}

// ---- few columns, of a left operand in column order ----

// The product of the transposes reads it along memory; its result is then turned.
constexpr Index most_turned_cols = 24;

template <class T>
bool is_turned(Index m, Index n, Index k) {
  return n <= most_turned_cols && m >= 4 * n && is_large(m * k, sizeof(T));
}

template <class T>
void multiply_turned(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index m = problem.c.rows, n = problem.c.cols;
  T* across = reinterpret_cast<T*>(workspace);
  Gemm<T> over;
  over.a = transposed(problem.b);
  over.b = transposed(problem.a);
  over.c = {across, n, m, m, 1};
  over.alpha = problem.alpha;
  gemm(team, over, workspace + line_bytes(m * n * static_cast<Index>(sizeof(T))));
  team.barrier();
  const Index group = runtime::kernels<T>().gemm->mr;
  const runtime::Range rows = team.share(m, group);
  for (Index i = rows.begin; i < rows.end; ++i) {
    T* c = problem.c.data + i * problem.c.row_stride;
    for (Index j = 0; j < n; ++j) {
      c[j] = across[j * m + i] + (problem.beta != T{0} ? problem.beta * c[j] : T{0});
    }
  }
  finish(problem, rows, {0, n}, group);
}

// ---- a small result of great depth ----

constexpr Index most_deep_tiles = 8;
constexpr Index deep_part = 4096, least_depth = 2 * deep_part, most_parts = 16;

template <class T>
bool is_deep(Index m, Index n, Index k) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  return k >= least_depth && ceil_div(m, kernels.mr) * ceil_div(n, kernels.nr) <= most_deep_tiles;
}

// The depth is cut into parts that threads do on their own, and their products are added in order.
template <class T>
void multiply_deep(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const Index parts = std::min(most_parts, k / deep_part), longest = ceil_div(k, parts);
  T* sums = reinterpret_cast<T*>(workspace);
  const Index sums_bytes = line_bytes(parts * m * n * static_cast<Index>(sizeof(T)));
  const Index own = runtime::thread_bytes(gemm_workspace<T>(m, n, least_depth - 1, 1));
  for (Index part = team.rank(); part < parts; part += team.size()) {
    const Index first = std::min(k, part * longest);
    Gemm<T> piece;
    piece.a = {problem.a.data + first * problem.a.col_stride, m, std::min(longest, k - first),
               problem.a.row_stride, problem.a.col_stride};
    piece.b = {problem.b.data + first * problem.b.row_stride, piece.a.cols, n, problem.b.row_stride,
               problem.b.col_stride};
    piece.c = {sums + part * m * n, m, n, n, 1};
    gemm(runtime::Team(), piece, workspace + sums_bytes + team.rank() * own);
  }
  team.barrier();
  const runtime::Range rows = team.share(m, kernels.mr);
  if (rows.size() == 0) return;
  const auto& vector = *runtime::kernels<T>().vector;
  T* total = sums + rows.begin * n;
  for (Index part = 1; part < parts; ++part) {
    vector.add(total, sums + part * m * n + rows.begin * n, total, rows.size() * n);
  }
  kernels.store(total, n, problem.alpha, problem.beta,
                problem.c.data + rows.begin * problem.c.row_stride, problem.c.row_stride,
                rows.size(), n);
  finish(problem, rows, {0, n}, kernels.mr);
}

// ---- the choice ----

// Two operands that both have their depth along memory.
template <class T>
bool is_dots(const Product<T>& p, Index most_rows) {
  return p.c.rows <= most_rows && p.c.cols > p.c.rows && p.a.cols >= least_dot_depth;
}

// ---- the last columns, few for a vector ----

// Above that many vectors, the one that is mostly empty counts for little.
constexpr Index most_edged_vectors = 16;

template <class T>
bool is_edged(Index n) {
  const Index lanes = runtime::kernels<T>().gemm->nr / 2, edge = n % lanes;
  return n > lanes && edge != 0 && edge <= most_dot_cols && n <= most_edged_vectors * lanes;
}

// Whether few columns of a left operand in column order are better done as the product of the
// transposes. Its tiles, of as many rows, take a step of depth in as many cycles or, for latency,
// in four.
template <class T>
bool is_turned_edge(const Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols, nr = runtime::kernels<T>().gemm->nr;
  constexpr Index latency = 4, copies = 2;
  if (problem.a.row_stride != 1 || problem.a.col_stride == 1) return false;
  const Index depth = problem.a.cols;
  return ceil_div(m, nr) * depth * std::max(latency, n) + copies * m * n < m * depth / 2;
}

template <class T>
Gemm<T> edge_of(const Gemm<T>& problem) {
  const Index n = problem.c.cols, edge = n % (runtime::kernels<T>().gemm->nr / 2), first = n - edge;
  Gemm<T> part = problem;
  part.b = block(problem.b, 0, first, problem.b.rows, edge);
  part.c = block(problem.c, 0, first, problem.c.rows, edge);
  part.epilogue = shifted(problem.epilogue, 0, first);
  return part;
}

}  // namespace

bool is_large(Index values, std::size_t size) {
  return values * static_cast<Index>(size) > runtime::cache_sizes().second / 2;
}

template <class T>
Index edge_cols(Index n) {
  return is_edged<T>(n) ? n % (runtime::kernels<T>().gemm->nr / 2) : 0;
}

template <class T>
Index edge_workspace(Index m, Index n, Index k, int threads) {
  if (!is_edged<T>(n)) return 0;
  constexpr auto size = static_cast<Index>(sizeof(T));
  const Index edge = edge_cols<T>(n);
  return std::max(line_bytes(edge * dotted_stride(k) * size),
                  line_bytes(m * edge * size) + gemm_workspace<T>(edge, m, k, threads));
}

template <class T>
Index multiply_edge(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index k = problem.a.cols;
  if (problem.packed != nullptr || problem.column_sums != nullptr || !is_edged<T>(problem.c.cols) ||
      k < least_dot_depth) {
    return 0;
  }
  const Gemm<T> edge = edge_of(problem);
  if (is_dotted(edge)) {
    multiply_dotted(team, edge, workspace);
  } else if (is_turned_edge(edge)) {
    multiply_turned(team, edge, workspace);
  } else {
    return 0;
  }
  return edge.c.cols;
}

// Whether dots, for which B's columns are copied, take less time than tiles, whose vectors are
// mostly empty: by the multiply-adds of vectors, two at a time, and what goes with them on Zen 5.
template <class T>
bool is_dotted(const Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  if (n > most_dot_cols || k < least_dot_depth || problem.a.col_stride != 1) return false;
  const auto lanes = static_cast<double>(runtime::kernels<T>().gemm->nr / 2);
  const auto rows = static_cast<double>(m), cols = static_cast<double>(n),
             depth = static_cast<double>(k);
  constexpr double latency = 4.0, fold = 1.5, store = 2.0;
  const double vectors = (depth + lanes - 1.0) / lanes;
  const double copies = problem.b.row_stride == 1   ? 0.0
                        : problem.b.row_stride == n ? cols * (cols + 1.0) / 2.0 * vectors
                                                    : cols * depth;
  const double dots = copies + rows * cols * (vectors / 2.0 + fold);
  const double tiles =
      depth * std::max(latency, rows * std::ceil(cols / lanes) / 2.0) + store * rows;
  return dots < tiles;
}

template <class T>
Index thin_workspace(Index m, Index n, Index k, int threads) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  if (is_deep<T>(m, n, k)) {
    return line_bytes(std::min(most_parts, k / deep_part) * m * n * size) +
           threads * runtime::thread_bytes(gemm_workspace<T>(m, n, least_depth - 1, 1));
  }
  Index bytes = n <= most_dot_cols ? line_bytes(n * dotted_stride(k) * size) : 0;
  if (is_summed<T>(m, n, k)) bytes = std::max(bytes, summed_workspace<T>(m, n, k));
  if (!is_turned<T>(m, n, k)) return bytes;
  if (n == 1) bytes = std::max(bytes, summed_workspace<T>(n, m, k));
  return std::max(bytes, line_bytes(m * n * size) + gemm_workspace<T>(n, m, k, threads));
}

template <class T>
bool multiply_thin(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const Index group = runtime::kernels<T>().gemm->mr;
  if (is_deep<T>(m, n, k)) {
    multiply_deep(team, problem, workspace);
    return true;
  }
  const Product<T> plain{problem.a, problem.b, problem.c, problem.alpha, problem.beta};
  if (is_dots(plain, most_dot_rows) && problem.a.col_stride == 1 && problem.b.row_stride == 1 &&
      problem.b.col_stride != 1) {
    finish(problem, {0, m}, multiply_dots(team, plain, dot_grain), group);
    return true;
  }
  if (is_summed<T>(m, n, k) && problem.b.col_stride == 1) {
    finish(problem, {0, m}, multiply_summed(team, plain, column_grain<T>, workspace), group);
    return true;
  }
  if (problem.a.row_stride == 1 && problem.a.col_stride != 1 && is_turned<T>(m, n, k)) {
    if (n == 1 && problem.c.row_stride == 1) {
      finish(problem, multiply_summed(team, plain.turned_over(), group, workspace), {0, 1}, group);
    } else {
      multiply_turned(team, problem, workspace);
    }
    return true;
  }
  if (!is_dotted(problem)) return false;
  multiply_dotted(team, problem, workspace);
  return true;
}

template bool is_dotted(const Gemm<float>&);
template bool is_dotted(const Gemm<double>&);
template Index edge_cols<float>(Index);
template Index edge_cols<double>(Index);
template Index edge_workspace<float>(Index, Index, Index, int);
template Index edge_workspace<double>(Index, Index, Index, int);
template Index multiply_edge(const runtime::Team&, const Gemm<float>&, std::byte*);
template Index multiply_edge(const runtime::Team&, const Gemm<double>&, std::byte*);
template Index thin_workspace<float>(Index, Index, Index, int);
template Index thin_workspace<double>(Index, Index, Index, int);
template bool multiply_thin(const runtime::Team&, const Gemm<float>&, std::byte*);
template bool multiply_thin(const runtime::Team&, const Gemm<double>&, std::byte*);

}  // namespace unitgain::ops
