#include "ops/gemm_thin.hpp"

#include "ops/grain.hpp"
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

template <class T>
runtime::Range add_dots(const runtime::Team& team, const Product<T>& p, Index grain) {
  const simd::ThinGemmKernels<T>& kernels = *runtime::kernels<T>().thin_gemm;
  const Index k = p.a.cols;
  const runtime::Range cols = team.share(p.c.cols, grain);
  if (cols.size() == 0) return cols;
  for (Index first = 0; first < k; first += tuning::dot_block_depth) {
    const Index depth = std::min(tuning::dot_block_depth, k - first);
    kernels.dots(depth, p.a.data + first, p.a.row_stride, p.a.rows,
                 p.b.data + first + cols.begin * p.b.col_stride, p.b.col_stride, cols.size(),
                 p.alpha, first == 0 ? p.beta : T{1}, p.c.data + cols.begin * p.c.col_stride,
                 p.c.row_stride, p.c.col_stride);
  }
  return cols;
}

// ---- few rows against a matrix in row order ----

// They are sums of B's rows, read along memory: a panel would take a piece of each, and a tile's
// loads and stores time that there is none of. The depth is cut into parts, each a chain of sums:
// threads take whole parts, which they read from end to end.
Index summed_parts(Index k) {
  const Index parts = ceil_div(k, tuning::most_part_rows);
  return parts <= 1 ? 1 : round_up(parts, tuning::even_parts);
}

template <class T>
runtime::Range add_rows(const runtime::Team& team, const Product<T>& p, Index grain,
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

Index dotted_stride(Index k) {
  return round_up(k, 16);
}

template <class T>
Index value_bytes(Index count) {
  return line_bytes(count * static_cast<Index>(sizeof(T)));
}

template <class T>
Product<T> sums_of(const Gemm<T>& problem) {
  return {problem.a, problem.b, problem.c, problem.alpha, problem.beta};
}

// How a product of great depth is cut. All parts are as long but for the last, whose workspace may
// be the larger: its depth is cut into blocks of its own.
struct DeepParts {
  explicit DeepParts(Index k)
      : count(std::min(tuning::most_deep_parts, k / tuning::deep_part)),
        longest(ceil_div(k, count)),
        last(std::max<Index>(0, k - (count - 1) * longest)) {}

  Index count, longest, last;
};

template <class T>
Index part_workspace(Index m, Index n, const DeepParts& parts) {
  return runtime::thread_bytes(
      std::max(gemm_workspace<T>(m, n, parts.longest, 1), gemm_workspace<T>(m, n, parts.last, 1)));
}

}  // namespace

// ---- rows by rows, few rows ----

template <class T>
void multiply_dots(const runtime::Team& team, const Gemm<T>& problem) {
  const Index m = problem.c.rows;
  finish(problem, {0, m}, add_dots(team, sums_of(problem), tuning::dot_grain), tile_shape<T>().mr);
}

template <class T>
void multiply_summed(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const runtime::Range cols = add_rows(team, sums_of(problem), column_grain<T>, workspace);
  finish(problem, {0, problem.c.rows}, cols, tile_shape<T>().mr);
}

template <class T>
Index summed_workspace(Index m, Index n, Index k) {
  return value_bytes<T>(summed_parts(k) * m * n);
}

template <class T>
void multiply_turned_vector(const runtime::Team& team, const Gemm<T>& problem,
                            std::byte* workspace) {
  const Index group = tile_shape<T>().mr;
  const Product<T> over = sums_of(problem).turned_over();
  finish(problem, add_rows(team, over, group, workspace), {0, 1}, group);
}

// ---- few columns, of a left operand in row order ----

template <class T>
void multiply_dotted(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index n = problem.c.cols, k = problem.a.cols;
  Product<T> over = sums_of(problem).turned_over();
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
  const Index group = tile_shape<T>().mr;
  finish(problem, add_dots(team, over, group), {0, n}, group);
}

template <class T>
Index dotted_workspace(Index n, Index k) {
  return value_bytes<T>(n * dotted_stride(k));
}

// ---- few columns, of a left operand in column order ----

// The product of the transposes reads it along memory; its result is then turned.
template <class T>
void multiply_turned(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const Index m = problem.c.rows, n = problem.c.cols;
  T* across = reinterpret_cast<T*>(workspace);
  Gemm<T> over;
  over.a = transposed(problem.b);
  over.b = transposed(problem.a);
  over.c = {across, n, m, m, 1};
  over.alpha = problem.alpha;
  gemm(team, over, workspace + value_bytes<T>(m * n));
  team.barrier();
  const Index group = tile_shape<T>().mr;
  const runtime::Range rows = team.share(m, group);
  for (Index i = rows.begin; i < rows.end; ++i) {
    T* c = problem.c.data + i * problem.c.row_stride;
    for (Index j = 0; j < n; ++j) {
      c[j] = across[j * m + i] + (problem.beta != T{0} ? problem.beta * c[j] : T{0});
    }
  }
  finish(problem, rows, {0, n}, group);
}

template <class T>
Index turned_workspace(Index m, Index n, Index k, int threads) {
  return value_bytes<T>(m * n) + gemm_workspace<T>(n, m, k, threads);
}

// ---- a small result of great depth ----

// The depth is cut into parts that threads do on their own, and their products are added in order.
template <class T>
void multiply_deep(const runtime::Team& team, const Gemm<T>& problem, std::byte* workspace) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const DeepParts parts(k);
  T* sums = reinterpret_cast<T*>(workspace);
  std::byte* own = workspace + value_bytes<T>(parts.count * m * n) +
                   team.rank() * part_workspace<T>(m, n, parts);
  for (Index part = team.rank(); part < parts.count; part += team.size()) {
    const Index first = std::min(k, part * parts.longest);
    const Index depth = std::min(parts.longest, k - first);
    Gemm<T> piece;
    piece.a = block(problem.a, 0, first, m, depth);
    piece.b = block(problem.b, first, 0, depth, n);
    piece.c = {sums + part * m * n, m, n, n, 1};
    gemm(runtime::Team(), piece, own);
  }
  team.barrier();
  const runtime::Range rows = team.share(m, kernels.mr);
  if (rows.size() == 0) return;
  const auto& vector = *runtime::kernels<T>().vector;
  T* total = sums + rows.begin * n;
  for (Index part = 1; part < parts.count; ++part) {
    vector.add(total, sums + part * m * n + rows.begin * n, total, rows.size() * n);
  }
  kernels.store(total, n, problem.alpha, problem.beta,
                problem.c.data + rows.begin * problem.c.row_stride, problem.c.row_stride,
                rows.size(), n);
  finish(problem, rows, {0, n}, kernels.mr);
}

template <class T>
Index deep_workspace(Index m, Index n, Index k, int threads) {
  const DeepParts parts(k);
  return value_bytes<T>(parts.count * m * n) + threads * part_workspace<T>(m, n, parts);
}

#define UNITGAIN_INSTANTIATE(T)                                                           \
  template void multiply_deep(const runtime::Team&, const Gemm<T>&, std::byte*);          \
  template Index deep_workspace<T>(Index, Index, Index, int);                             \
  template void multiply_dots(const runtime::Team&, const Gemm<T>&);                      \
  template void multiply_summed(const runtime::Team&, const Gemm<T>&, std::byte*);        \
  template Index summed_workspace<T>(Index, Index, Index);                                \
  template void multiply_turned_vector(const runtime::Team&, const Gemm<T>&, std::byte*); \
  template void multiply_turned(const runtime::Team&, const Gemm<T>&, std::byte*);        \
  template Index turned_workspace<T>(Index, Index, Index, int);                           \
  template void multiply_dotted(const runtime::Team&, const Gemm<T>&, std::byte*);        \
  template Index dotted_workspace<T>(Index, Index);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
