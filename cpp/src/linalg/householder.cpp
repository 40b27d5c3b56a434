#include "linalg/householder.hpp"

#include "runtime/cache_sizes.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

// Rows whose inner products one thread takes at a time. They are added up in order, so that the
// result is the same for any team; what four columns have of a chunk stays in the first-level
// cache.
constexpr Index chunk = 512;

// The elimination of one block of columns: each step updates the columns to the right and takes,
// in the same pass, the inner products that the next step needs.
template <class T>
class Panel {
 public:
  Panel(const HouseholderQr<T>& qr, Index first, Index width)
      : qr_(qr),
        a_(qr.q.tails),
        vector_(*runtime::kernels<T>().vector),
        first_(first),
        end_(first + width),
        first_chunk_(first / chunk),
        chunks_((a_.rows + chunk - 1) / chunk - first_chunk_) {}

  void factor(const runtime::Team& team) {
    if (chunks_ == 1) {
      if (team.rank() == 0) eliminate(runtime::Team());
      team.barrier();
    } else {
      eliminate(team);
    }
  }

 private:
  // One reflector of the panel, and what it takes from each column to the right.
  struct Step {
    T tail_scale;  // of the tail below the diagonal
    T weights[block_width];
  };

  void eliminate(const runtime::Team& team) {
    const runtime::Range mine = team.share(chunks_);
    for (Index c = mine.begin; c < mine.end; ++c) sum(c, first_);
    if (team.rank() == 0) publish_heads(first_);
    team.barrier();
    for (Index k = first_; k < end_; ++k) {
      const Step step = next_step(team, k);
      for (Index c = mine.begin; c < mine.end; ++c) update(c, k, step);
      team.barrier();
    }
  }

  T* sums_of(Index c, Index k) const {
    return qr_.sums + ((k & 1) * ((a_.rows + chunk - 1) / chunk) + c) * block_width;
  }
  T* heads_of(Index k) const { return qr_.heads + (k & 1) * block_width; }

  void publish_heads(Index k) {
    for (Index j = k; j < end_; ++j) heads_of(k)[j - first_] = a_[j][k];
  }

  // Rows of chunk c below row k.
  runtime::Range rows_below(Index c, Index k) const {
    const Index begin = (first_chunk_ + c) * chunk;
    const Index end = std::min(begin + chunk, a_.rows);
    return {std::min(std::max(begin, k + 1), end), end};
  }

  // The inner products of column k with those from it on, over the chunk's rows below row k.
  void sum(Index c, Index k) {
    const runtime::Range rows = rows_below(c, k);
    T* sums = sums_of(c, k);
    for (Index j = k; j < end_; j += 4) {
      const T* columns[4];
      T dots[4];
      for (Index l = 0; l < 4; ++l) columns[l] = a_[std::min(j + l, end_ - 1)] + rows.begin;
      vector_.dot4(columns, a_[k] + rows.begin, rows.size(), dots);
      for (Index l = 0; l < std::min<Index>(4, end_ - j); ++l) sums[j + l - first_] = dots[l];
    }
  }

  // Reflector k; the first thread writes down what it leaves of row k.
  Step next_step(const runtime::Team& team, Index k) {
    T sums[block_width] = {};
    for (Index c = 0; c < chunks_; ++c) {
      const T* part = sums_of(c, k);
      for (Index j = k; j < end_; ++j) sums[j - first_] += part[j - first_];
    }
    const T* heads = heads_of(k);
    const T head = heads[k - first_], square = sums[k - first_];
    Step step;
    const Reflector<T> reflector(head, square);
    step.tail_scale = reflector.scale;
    for (Index j = k + 1; j < end_; ++j) {
      step.weights[j - first_] =
          -reflector.tau * (heads[j - first_] + step.tail_scale * sums[j - first_]);
    }
    if (team.rank() == 0) {
      a_[k][k] = reflector.end;
      qr_.q.tau[k] = reflector.tau;
      for (Index j = k + 1; j < end_; ++j) a_[j][k] = heads[j - first_] + step.weights[j - first_];
    }
    return step;
  }

  void update(Index c, Index k, const Step& step) {
    const runtime::Range rows = rows_below(c, k);
    T* v = a_[k] + rows.begin;
    vector_.scale(step.tail_scale, v, rows.size());
    const Index next = k + 1;
    if (next == end_) return;
    const runtime::Range below = rows_below(c, next);
    T* sums = sums_of(c, next);
    for (Index j = next; j < end_; j += 4) {
      const T* columns[4];
      T dots[4];
      for (Index l = 0; l < 4; ++l) {
        const Index column = std::min(j + l, end_ - 1);
        columns[l] = a_[column] + below.begin;
        if (j + l < end_) {
          vector_.axpy(step.weights[column - first_], v, a_[column] + rows.begin, rows.size());
        }
      }
      vector_.dot4(columns, a_[next] + below.begin, below.size(), dots);
      for (Index l = 0; l < std::min<Index>(4, end_ - j); ++l) sums[j + l - first_] = dots[l];
    }
    // The next row to eliminate, by whoever has it.
    if (rows.begin == next && rows.size() > 0) publish_heads(next);
  }

  const HouseholderQr<T>& qr_;
  const Columns<T>& a_;
  const simd::VectorKernels<T>& vector_;
  Index first_, end_, first_chunk_, chunks_;
};

// Rows that a thread multiplies by all blocks, one after the other: so many that the products are
// efficient, and so few that there are enough for every thread.
constexpr Index least_strip = 16, most_strip = 64, least_strips = 8;

// A workspace without those of the threads.
template <class T>
BlockWorkspace<T> carve_block(Carver& carver, Index rows, Index count, int threads) {
  BlockWorkspace<T> workspace{};
  workspace.v = carver.take_columns<T>(rows, block_width);
  workspace.stride = column_stride<T>(std::max(count, block_width));
  workspace.products = carver.take<T>(block_width * workspace.stride);
  workspace.turned = carver.take<T>(block_width * workspace.stride);
  const Index most = std::max(count, block_width);
  workspace.gemm = carver.take<std::byte>(std::max(
      ops::gemm_workspace_up_to<T>(block_width, most, std::max(rows, block_width), threads),
      ops::gemm_workspace_up_to<T>(most, rows, block_width, threads)));
  return workspace;
}

template <class T>
BlockWorkspace<T> own_workspace(const runtime::Team& team, const BlockWorkspace<T>& workspace) {
  Carver carver(workspace.of_threads + team.rank() * workspace.bytes_per_thread);
  return carve_block<T>(carver, workspace.v.rows, most_strip, 1);
}

// apply_q() of rows that are the threads' in common; row j is 0 before element j + diagonal.
template <class T>
void apply_blocks(const runtime::Team& team, const Reflectors<T>& q, bool transposed,
                  MatrixView<T> rows, const BlockWorkspace<T>& workspace, Index diagonal) {
  const Index count = q.count();
  const Index blocks = (count + block_width - 1) / block_width;
  for (Index b = 0; b < blocks; ++b) {
    const Index first = (transposed ? b : blocks - 1 - b) * block_width;
    const Index width = std::min(block_width, count - first), top = first + q.offset;
    const Index skipped = std::clamp<Index>(top - diagonal, 0, rows.rows);
    if (skipped == rows.rows) continue;
    load_block(team, q, first, width, workspace);
    apply_block<T>(team, q.triangle(first), transposed, width,
                   {rows.data + skipped * rows.row_stride + top, rows.rows - skipped,
                    rows.cols - top, rows.row_stride, 1},
                   workspace);
  }
}

}  // namespace

template <class T>
BlockWorkspace<T> carve_block_workspace(Carver& carver, Index rows, Index count, int threads) {
  BlockWorkspace<T> workspace = carve_block<T>(carver, rows, count, threads);
  Carver measure(nullptr);
  carve_block<T>(measure, rows, most_strip, 1);
  workspace.bytes_per_thread = runtime::thread_bytes(measure.used());
  workspace.of_threads = carver.take<std::byte>(threads * workspace.bytes_per_thread);
  return workspace;
}

template <class T>
void load_block(const runtime::Team& team, const Reflectors<T>& q, Index first, Index width,
                const BlockWorkspace<T>& workspace) {
  const Index top = first + q.offset;
  const runtime::Range mine = team.share(width);
  for (Index j = mine.begin; j < mine.end; ++j) {
    T* v = workspace.v[j];
    std::fill_n(v, j, T(0));
    v[j] = 1;
    std::copy(q.tails[first + j] + top + j + 1, q.tails[first + j] + q.tails.rows, v + j + 1);
  }
  team.barrier();
}

template <class T>
void find_triangle(const runtime::Team& team, const Reflectors<T>& q, Index first, Index width,
                   const BlockWorkspace<T>& workspace) {
  const Columns<T>& v = workspace.v;
  const Index rows = q.tails.rows - first - q.offset;
  ops::Gemm<T> product;
  product.a = {v.data, width, rows, v.stride, 1};
  product.b = {v.data, rows, width, 1, v.stride};
  product.c = {workspace.products, width, width, workspace.stride, 1};
  ops::gemm(team, product, workspace.gemm);
  team.barrier();
  if (team.rank() == 0) {
    T* t = q.triangle(first);
    std::fill_n(t, width * block_width, T(0));
    for (Index j = 0; j < width; ++j) {
      // Column j of T is -tau times T's leading columns times the products, a column at a time.
      const T tau = q.tau[first + j];
      T sums[block_width] = {};
      for (Index l = 0; l < j; ++l) {
        const T weight = workspace.products[l * workspace.stride + j];
        const T* const column = workspace.turned + l * block_width;
        for (Index i = 0; i <= l; ++i) sums[i] += weight * column[i];
      }
      T* const column = workspace.turned + j * block_width;
      for (Index i = 0; i < j; ++i) t[i * block_width + j] = column[i] = -tau * sums[i];
      t[j * block_width + j] = column[j] = tau;
    }
  }
  team.barrier();
}

template <class T>
void find_triangles(const runtime::Team& team, const Reflectors<T>& q,
                    const BlockWorkspace<T>& workspace) {
  const BlockWorkspace<T> own = own_workspace(team, workspace);
  const runtime::Team alone;
  const runtime::Range mine = team.share((q.count() + block_width - 1) / block_width);
  for (Index b = mine.begin; b < mine.end; ++b) {
    const Index first = b * block_width, width = std::min(block_width, q.count() - first);
    load_block(alone, q, first, width, own);
    find_triangle(alone, q, first, width, own);
  }
  team.barrier();
}

template <class T>
void apply_block(const runtime::Team& team, const T* triangle, bool transposed, Index width,
                 MatrixView<T> rows, const BlockWorkspace<T>& workspace) {
  if (rows.rows == 0) return;
  const Columns<T>& v = workspace.v;
  ops::Gemm<T> product;
  product.a = {v.data, width, rows.cols, v.stride, 1};
  product.b = {rows.data, rows.cols, rows.rows, 1, rows.row_stride};
  product.c = {workspace.products, width, rows.rows, workspace.stride, 1};
  ops::gemm(team, product, workspace.gemm);
  team.barrier();
  ops::Gemm<T> turn;
  turn.a = {triangle, width, width, block_width, 1};
  if (transposed) std::swap(turn.a.row_stride, turn.a.col_stride);
  turn.b = {workspace.products, width, rows.rows, workspace.stride, 1};
  turn.c = {workspace.turned, width, rows.rows, workspace.stride, 1};
  ops::gemm(team, turn, workspace.gemm);
  team.barrier();
  ops::Gemm<T> update;
  update.a = {workspace.turned, rows.rows, width, 1, workspace.stride};
  update.b = {v.data, width, rows.cols, v.stride, 1};
  update.c = rows;
  update.alpha = -1;
  update.beta = 1;
  ops::gemm(team, update, workspace.gemm);
  team.barrier();
}

template <class T>
void apply_q(const runtime::Team& team, const Reflectors<T>& q, bool transposed, MatrixView<T> rows,
             const BlockWorkspace<T>& workspace, bool lower) {
  if (rows.rows < least_strips * least_strip) {
    apply_blocks(team, q, transposed, rows, workspace, lower ? 0 : q.tails.rows);
    return;
  }
  // Each thread takes rows that stay in its second-level cache while all blocks pass by.
  const Index bytes = rows.cols * static_cast<Index>(sizeof(T));
  const Index most = std::clamp(runtime::cache_sizes().second / 2 / bytes, least_strip, most_strip);
  const Index strips = std::max(least_strips, (rows.rows + most - 1) / most);
  const runtime::Range mine = team.share(strips);
  for (Index s = mine.begin; s < mine.end; ++s) {
    const runtime::Range strip = runtime::Team::share(s, strips, rows.rows);
    apply_blocks(
        runtime::Team(), q, transposed,
        {rows.data + strip.begin * rows.row_stride, strip.size(), rows.cols, rows.row_stride, 1},
        own_workspace(team, workspace), lower ? strip.begin : q.tails.rows);
  }
  team.barrier();
}

template <class T>
HouseholderQr<T> carve_householder(Carver& carver, Index rows, Index cols, Index vectors,
                                   int threads) {
  HouseholderQr<T> qr;
  qr.q.tails = carver.take_columns<T>(rows, cols);
  const Index padded = (cols + block_width - 1) / block_width * block_width;
  qr.q.tau = carver.take<T>(cols);
  qr.q.triangles = carver.take<T>(padded * block_width);
  qr.block = carve_block_workspace<T>(carver, rows, std::max(cols, vectors), threads);
  qr.sums = carver.take<T>(2 * ((rows + chunk - 1) / chunk) * block_width);
  qr.heads = carver.take<T>(2 * block_width);
  return qr;
}

template <class T>
void factor(const runtime::Team& team, const HouseholderQr<T>& qr) {
  const Columns<T>& a = qr.q.tails;
  const Index count = qr.q.count();
  for (Index first = 0; first < count; first += block_width) {
    const Index width = std::min(block_width, count - first), next = first + width;
    Panel<T>(qr, first, width).factor(team);
    load_block(team, qr.q, first, width, qr.block);
    find_triangle(team, qr.q, first, width, qr.block);
    apply_block<T>(team, qr.q.triangle(first), true, width,
                   {a.data + next * a.stride + first, a.count - next, a.rows - first, a.stride, 1},
                   qr.block);
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                             \
  template BlockWorkspace<T> carve_block_workspace<T>(Carver&, Index, Index, int);          \
  template void load_block<T>(const runtime::Team&, const Reflectors<T>&, Index, Index,     \
                              const BlockWorkspace<T>&);                                    \
  template void find_triangle<T>(const runtime::Team&, const Reflectors<T>&, Index, Index,  \
                                 const BlockWorkspace<T>&);                                 \
  template void find_triangles<T>(const runtime::Team&, const Reflectors<T>&,               \
                                  const BlockWorkspace<T>&);                                \
  template void apply_block<T>(const runtime::Team&, const T*, bool, Index, MatrixView<T>,  \
                               const BlockWorkspace<T>&);                                   \
  template void apply_q<T>(const runtime::Team&, const Reflectors<T>&, bool, MatrixView<T>, \
                           const BlockWorkspace<T>&, bool);                                 \
  template HouseholderQr<T> carve_householder<T>(Carver&, Index, Index, Index, int);        \
  template void factor<T>(const runtime::Team&, const HouseholderQr<T>&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
