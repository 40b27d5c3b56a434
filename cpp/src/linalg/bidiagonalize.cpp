// Golub and Kahan, "Calculating the singular values and pseudo-inverse of a matrix", 1965, in the
// blocked form of Dongarra, Sorensen and Hammarling, "Block reduction of matrices to condensed
// forms for eigenvalue computations", 1989: a block's reflectors are found while the matrix to its
// right stays as it was, and what they do to a column is made up when it is looked at.
#include "linalg/bidiagonalize.hpp"

#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// Rows or columns whose inner products are taken at a time, and added up in order, so that the
// result is the same for any team.
constexpr Index chunk = 64;

// A sum of one square and of two products for each of a block's reflectors.
constexpr Index sums_stride = 2 * block_width + 4;

constexpr Index chunks(Index n) {
  return (n + chunk - 1) / chunk;
}

// The reduction of one block of columns.
template <class T>
class Block {
 public:
  Block(const runtime::Team& team, const Bidiagonalization<T>& parts, Index first, Index width)
      : team_(team),
        parts_(parts),
        a_(parts.left.tails),
        vector_(*runtime::kernels<T>().vector),
        first_(first),
        end_(first + width) {
    const Index rows = a_.rows, cols = a_.count;
    const runtime::Range row_chunks = team.share(chunks(rows) - first / chunk);
    rows_ = {(row_chunks.begin + first / chunk) * chunk, (row_chunks.end + first / chunk) * chunk};
    rows_ = {std::clamp(rows_.begin, first, rows), std::clamp(rows_.end, first, rows)};
    const runtime::Range col_chunks = team.share(chunks(cols) - first / chunk);
    cols_ = {(col_chunks.begin + first / chunk) * chunk, (col_chunks.end + first / chunk) * chunk};
    cols_ = {std::clamp(cols_.begin, first, cols), std::clamp(cols_.end, first, cols)};
  }

  void reduce() {
    prepare_column(first_);
    team_.barrier();
    for (Index k = first_; k < end_; ++k) {
      eliminate_column(k);
      team_.barrier();
      eliminate_row(k);
      if (k + 1 < end_) prepare_column(k + 1);
      team_.barrier();
    }
    scale_row(end_ - 1);
    team_.barrier();
    keep_right_tails();
  }

 private:
  T* v(Index k) const { return parts_.v_and_x[k - first_]; }
  T* x(Index k) const { return parts_.v_and_x[block_width + k - first_]; }
  T* y(Index k) const { return parts_.y_and_u[k - first_]; }
  T* u(Index k) const { return parts_.y_and_u[block_width + k - first_]; }

  // Below: [begin, end) cut to what lies from `least` on.
  static runtime::Range from(runtime::Range range, Index least) {
    return {std::clamp(least, range.begin, range.end), range.end};
  }

  // to += sum over p of weights[p] columns[p], over a range.
  void add(const T* const* columns, const T* weights, Index count, runtime::Range range,
           T* to) const {
    Index p = 0;
    for (; p + 4 <= count; p += 4) {
      const T* four[4];
      for (Index l = 0; l < 4; ++l) four[l] = columns[p + l] + range.begin;
      vector_.axpy4(weights + p, four, to + range.begin, range.size());
    }
    for (; p < count; ++p) {
      vector_.axpy(weights[p], columns[p] + range.begin, to + range.begin, range.size());
    }
  }

  // sums[p] = columns[p] . with, for each chunk of the range.
  void sum(const T* const* columns, Index count, const T* with, runtime::Range range,
           T* sums) const {
    for (Index begin = range.begin; begin < range.end;) {
      const Index end = std::min(range.end, (begin / chunk + 1) * chunk);
      T* out = sums + begin / chunk * sums_stride;
      for (Index p = 0; p < count; p += 4) {
        const T* four[4];
        T dots[4];
        for (Index l = 0; l < 4; ++l) four[l] = columns[std::min(p + l, count - 1)] + begin;
        vector_.dot4(four, with + begin, end - begin, dots);
        std::copy_n(dots, std::min<Index>(4, count - p), out + p);
      }
      begin = end;
    }
  }

  // The chunks' sums from `least` to `end`, added up.
  static void total(const T* sums, Index least, Index end, Index count, T* totals) {
    std::fill_n(totals, count, T(0));
    if (least >= end) return;
    for (Index c = least / chunk; c < chunks(end); ++c) {
      for (Index p = 0; p < count; ++p) totals[p] += sums[c * sums_stride + p];
    }
  }

  // Brings the own rows of column k up to date, and sums what its reflector needs.
  void prepare_column(Index k) {
    const T* columns[sums_stride];
    T weights[sums_stride];
    const Index done = k - first_;
    for (Index p = 0; p < done; ++p) {
      columns[p] = v(first_ + p);
      weights[p] = -y(first_ + p)[k];
      columns[done + p] = x(first_ + p);
      // The last row was not scaled yet, and has its one here.
      weights[done + p] = p + 1 == done ? T(-1) : -u(first_ + p)[k];
    }
    add(columns, weights, 2 * done, from(rows_, k), a_[k]);
    columns[2 * done] = a_[k];
    sum(columns, 2 * done + 1, a_[k], from(rows_, k + 1), parts_.row_sums);
  }

  // From the reflector of column k, the own part of Y's column and of row k, and of the product of
  // the matrix with that row.
  void eliminate_column(Index k) {
    if (k > first_) scale_row(k - 1);
    const Index done = k - first_;
    T sums[sums_stride];
    total(parts_.row_sums, k + 1, a_.rows, 2 * done + 1, sums);
    const Reflector<T> reflector(a_[k][k], sums[2 * done]);
    column_ = reflector;
    if (team_.rank() == 0) {
      parts_.diagonal[k] = reflector.end;
      parts_.left.tau[k] = reflector.tau;
    }
    const T* columns[sums_stride];
    T weights[sums_stride], row_weights[sums_stride];
    for (Index p = 0; p < done; ++p) {
      columns[p] = y(first_ + p);
      columns[done + p] = u(first_ + p);
      row_weights[p] = -v(first_ + p)[k];
      row_weights[done + p] = -x(first_ + p)[k];
      for (const Index q : {p, done + p}) {
        weights[q] = -reflector.tau * (reflector.scale * sums[q] - row_weights[q]);
      }
    }
    const runtime::Range cols = from(cols_, k + 1), rows = {k + 1, a_.rows};
    for (Index begin = cols.begin; begin < cols.end;) {
      const Index end = std::min(cols.end, (begin / chunk + 1) * chunk);
      std::fill(y(k) + begin, y(k) + end, T(0));
      for (Index j = begin; j < end; ++j) u(k)[j] = a_[j][k];
      add(columns, weights, 2 * done, {begin, end}, y(k));
      add(columns, row_weights, 2 * done, {begin, end}, u(k));
      T* const product = parts_.products[begin / chunk];
      std::fill_n(product + rows.begin, rows.size(), T(0));
      for (Index j = begin; j < end; j += 4) multiply(k, {j, std::min(j + 4, end)}, rows, product);
      begin = end;
    }
    columns[2 * done] = y(k);
    columns[2 * done + 1] = u(k);
    sum(columns, 2 * done + 2, u(k), from(cols_, k + 2), parts_.column_sums);
  }

  // For four columns, which stay in the first-level cache: adds tau A^T v to y, takes y from u, the
  // row k of A, and adds A u to the product, but for column k + 1, whose element of u will be
  // another.
  void multiply(Index k, runtime::Range cols, runtime::Range rows, T* product) {
    const T* four[4];
    T dots[4];
    for (Index l = 0; l < 4; ++l) {
      four[l] = a_[std::min(cols.begin + l, cols.end - 1)] + rows.begin;
    }
    vector_.dot4(four, a_[k] + rows.begin, rows.size(), dots);
    for (Index j = cols.begin; j < cols.end; ++j) {
      y(k)[j] += column_.tau * (a_[j][k] + column_.scale * dots[j - cols.begin]);
      u(k)[j] -= y(k)[j];
    }
    const Index first = std::max(cols.begin, k + 2);
    for (Index j = first; j < cols.end; ++j) four[j - first] = a_[j];
    add(four, u(k) + first, std::max<Index>(cols.end - first, 0), rows, product);
  }

  // From the reflector of row k, the own part of X's column, and of V's, which nobody reads as A's
  // any more.
  void eliminate_row(Index k) {
    const Index done = k - first_;
    const runtime::Range rows = from(rows_, k + 1);
    T* const to = v(k);
    if (rows_.begin <= k && k < rows_.end) to[k] = 1;
    for (Index i = rows.begin; i < rows.end; ++i) to[i] = a_[k][i] *= column_.scale;
    if (k + 1 == a_.count) return;

    T sums[sums_stride];
    total(parts_.column_sums, k + 2, a_.count, 2 * done + 2, sums);
    const Reflector<T> reflector(u(k)[k + 1], sums[2 * done + 1]);
    row_ = reflector;
    if (team_.rank() == 0) {
      parts_.superdiagonal[k] = reflector.end;
      parts_.right.tau[k] = reflector.tau;
    }
    T* const product = x(k);
    std::copy_n(a_[k + 1] + rows.begin, rows.size(), product + rows.begin);
    const Index first_chunk = (k + 1) / chunk;
    for (Index c = first_chunk; c < chunks(a_.count); c += 4) {
      const T* four[4];
      const T scales[4] = {reflector.scale, reflector.scale, reflector.scale, reflector.scale};
      const Index count = std::min<Index>(4, chunks(a_.count) - c);
      for (Index l = 0; l < count; ++l) four[l] = parts_.products[c + l];
      add(four, scales, count, rows, product);
    }
    const T* columns[sums_stride];
    T weights[sums_stride];
    for (Index p = 0; p <= done; ++p) {
      columns[p] = v(first_ + p);
      weights[p] = -(y(first_ + p)[k + 1] + reflector.scale * sums[p < done ? p : 2 * done]);
    }
    for (Index p = 0; p < done; ++p) {
      columns[done + 1 + p] = x(first_ + p);
      weights[done + 1 + p] = -(u(first_ + p)[k + 1] + reflector.scale * sums[done + p]);
    }
    add(columns, weights, 2 * done + 1, rows, product);
    vector_.scale(reflector.tau, product + rows.begin, rows.size());
  }

  // The own part of row k's reflector, once nobody reads the row itself any more.
  void scale_row(Index k) {
    const runtime::Range cols = from(cols_, k + 1);
    if (k + 1 >= a_.count || cols.size() == 0) return;
    vector_.scale(row_.scale, u(k) + cols.begin, cols.size());
    if (cols.begin == k + 1) u(k)[k + 1] = 1;
  }

  void keep_right_tails() {
    const runtime::Range mine = team_.share(end_ - first_);
    for (Index k = first_ + mine.begin; k < first_ + mine.end; ++k) {
      if (k + 1 >= a_.count) continue;
      std::copy(u(k) + k + 1, u(k) + a_.count, parts_.right.tails[k] + k + 1);
    }
  }

  const runtime::Team& team_;
  const Bidiagonalization<T>& parts_;
  const Columns<T>& a_;
  const simd::VectorKernels<T>& vector_;
  Index first_, end_;
  runtime::Range rows_, cols_;
  Reflector<T> column_{0, 0}, row_{0, 0};
};

// Bytes of a matrix that is reduced without blocks. Measured on 2 cores of Zen 5.
constexpr Index most_small_bytes = 128 * 128 * 8;

}  // namespace

template <class T>
Bidiagonalization<T> carve_bidiagonalization(Carver& carver, Index rows, Index cols, Index vectors,
                                             int threads) {
  Bidiagonalization<T> parts;
  const Index padded = (cols + block_width - 1) / block_width * block_width;
  parts.left = {carver.take_columns<T>(rows, cols), carver.take<T>(cols),
                carver.take<T>(padded * block_width), 0};
  parts.right = {carver.take_columns<T>(cols, cols), carver.take<T>(cols),
                 carver.take<T>(padded * block_width), 1};
  parts.diagonal = carver.take<T>(cols);
  parts.superdiagonal = carver.take<T>(cols);
  parts.block = carve_block_workspace<T>(carver, rows, vectors, threads);
  parts.v_and_x = carver.take_columns<T>(rows, 2 * block_width);
  parts.y_and_u = carver.take_columns<T>(cols, 2 * block_width);
  parts.row_sums = carver.take<T>(chunks(rows) * sums_stride);
  parts.column_sums = carver.take<T>(chunks(cols) * sums_stride);
  parts.products = carver.take_columns<T>(rows, chunks(cols));
  Index bytes = 0;
  for (Index done = block_width; done < cols; done += block_width) {
    bytes =
        std::max(bytes, ops::gemm_workspace<T>(cols - done, rows - done, 2 * block_width, threads));
  }
  parts.gemm = carver.take<std::byte>(bytes);
  return parts;
}

template <class T>
void bidiagonalize(const runtime::Team& team, const Bidiagonalization<T>& parts) {
  const Columns<T>& a = parts.left.tails;
  if (a.rows * a.count * static_cast<Index>(sizeof(T)) <= most_small_bytes) {
    if (team.rank() == 0) bidiagonalize_small(parts);
    team.barrier();
    return;
  }
  for (Index first = 0; first < a.count; first += block_width) {
    const Index next = std::min(first + block_width, a.count);
    Block<T>(team, parts, first, next - first).reduce();
    if (next == a.count) break;
    ops::Gemm<T> update;
    update.a = {parts.y_and_u.data + next, a.count - next, 2 * block_width, 1,
                parts.y_and_u.stride};
    update.b = {parts.v_and_x.data + next, 2 * block_width, a.rows - next, parts.v_and_x.stride, 1};
    update.c = {a.data + next * a.stride + next, a.count - next, a.rows - next, a.stride, 1};
    update.alpha = -1;
    update.beta = 1;
    ops::gemm(team, update, parts.gemm);
    team.barrier();
  }
  team.barrier();
}

#define UNITGAIN_INSTANTIATE(T)                                                                \
  template Bidiagonalization<T> carve_bidiagonalization<T>(Carver&, Index, Index, Index, int); \
  template void bidiagonalize<T>(const runtime::Team&, const Bidiagonalization<T>&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
