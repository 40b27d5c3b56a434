// Products that a tile does not suit: of little depth, and of rows with rows.
#include <cstdint>
#include <cstring>
#include <numeric>

#include "simd/kernels/gemm.hpp"
#include "simd/strided_rows.hpp"
#include "simd/transpose.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// ---- little depth ----

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int registers = 32, most_depth = 16;
#else
constexpr int registers = 16, most_depth = 8;
#endif

// The rows of a column panel of B stay in registers while all rows of A pass: `depth` times so many
// vectors, that many sums and a value of A fill them.
constexpr int vectors_for(int depth) {
  const int rows = (registers - 1) / (depth + 1);
  return rows < 1 ? 1 : rows < 4 ? rows : 4;
}

template <class T, int depth, int vectors>
void shallow_panel(const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                   Index b_row_stride, T alpha, T beta, T* c, Index c_row_stride, Index m,
                   Index rest) {
  Vec<T> right[depth][vectors];
#pragma GCC unroll 16
  for (int p = 0; p < depth; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const T* from = b + p * b_row_stride + v * lanes<T>;
      right[p][v] = v == vectors - 1 && rest < lanes<T> ? load_partial(from, rest) : load(from);
    }
  }
  const bool plain = alpha == T{1} && beta == T{0};
  StridedRows<T, depth> left(a, a_col_stride);
  for (Index i = 0; i < m; ++i, c += c_row_stride) {
    Vec<T> sum[vectors];
    left.hold_strides();
    for_each_index(
        [&](auto p) __attribute__((always_inline)) {
          const Vec<T> value = left.template value<p>();
#pragma GCC unroll 4
          for (int v = 0; v < vectors; ++v) {
            sum[v] = p == 0 ? value * right[p][v] : multiply_add<T>(value, right[p][v], sum[v]);
          }
        },
        std::make_integer_sequence<int, depth>());
    left.advance(a_row_stride);
    if (!plain) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const T* was = c + v * lanes<T>;
        sum[v] *= alpha;
        if (beta == T{0}) continue;
        sum[v] = multiply_add<T>(
            v == vectors - 1 && rest < lanes<T> ? load_partial(was, rest) : load(was), beta,
            sum[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors - 1; ++v) store(sum[v], c + v * lanes<T>);
    T* last = c + (vectors - 1) * lanes<T>;
    if (rest < lanes<T>) {
      store_partial(sum[vectors - 1], last, rest);
    } else {
      store(sum[vectors - 1], last);
    }
  }
}

template <class T>
using ShallowPanel = void (*)(const T*, Index, Index, const T*, Index, T, T, T*, Index, Index,
                              Index);

// The kernels for 1 ... vectors_for(depth) vectors.
template <class T>
struct PanelsByWidth {
  ShallowPanel<T> kernel[4];
};

template <class T, int depth, int... v>
constexpr PanelsByWidth<T> make_panels(std::integer_sequence<int, v...>) {
  return {{shallow_panel<T, depth, v + 1>...}};
}

template <class T>
struct PanelsByDepth {
  PanelsByWidth<T> depth[most_depth];
};

template <class T, int... p>
constexpr PanelsByDepth<T> make_depths(std::integer_sequence<int, p...>) {
  return {{make_panels<T, p + 1>(std::make_integer_sequence<int, vectors_for(p + 1)>())...}};
}

template <class T>
constexpr PanelsByDepth<T> shallow_panels =
    make_depths<T>(std::make_integer_sequence<int, most_depth>());

template <class T>
void shallow(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
             Index b_row_stride, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n) {
  const PanelsByWidth<T>& panels = shallow_panels<T>.depth[k - 1];
  const Index width = vectors_for(static_cast<int>(k)) * lanes<T>;
  for (Index j = 0; j < n; j += width) {
    const Index cols = lesser(width, n - j), vectors = (cols + lanes<T> - 1) / lanes<T>;
    panels.kernel[vectors - 1](a, a_row_stride, a_col_stride, b + j, b_row_stride, alpha, beta,
                               c + j, c_row_stride, m, cols - (vectors - 1) * lanes<T>);
  }
}

// ---- products of rows with rows ----

// The sums of `count` vectors, one in each lane of the first: halves are added to halves, so that
// each level costs one addition for two vectors.
template <class T, int width, int... lane>
UNITGAIN_INLINE NativeVector<T> fold(NativeVector<T> a, NativeVector<T> b,
                                     std::integer_sequence<int, lane...>) {
  constexpr int size = sizeof...(lane);
  // Lanes of a block of 2 * width: those of a's two halves, then those of b's.
  const NativeVector<T> low =
      shuffle<T, (lane % (2 * width) < width ? lane : size + lane - width)...>(a, b);
  const NativeVector<T> high =
      shuffle<T, (lane % (2 * width) < width ? lane + width : size + lane)...>(a, b);
  return low + high;
}

template <class T, int width>
UNITGAIN_INLINE void fold_all(NativeVector<T>* vectors) {
  if constexpr (width >= 1) {
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) {
      vectors[i] = fold<T, width>(vectors[i], vectors[i + width],
                                  std::make_integer_sequence<int, static_cast<int>(lanes<T>)>());
    }
    fold_all<T, width / 2>(vectors);
  }
}

// A tile's sums fill half of the registers: as many as 16 lanes, so that folding them wastes none.
constexpr int dot_rows = registers == 32 ? 4 : 2, most_dots = registers / 2, most_dot_cols = 6;

constexpr int dot_cols(int rows) {
  return lesser(most_dot_cols, most_dots / rows);
}

template <class T, int rows, int cols>
void dot_tile(Index k, const T* a, Index a_stride, const T* b, Index b_stride, T alpha, T beta,
              T* c, Index c_row_stride, Index c_col_stride) {
  Vec<T> sum[rows * cols];
#pragma GCC unroll 24
  for (int i = 0; i < rows * cols; ++i) sum[i] = T{0};
  for_each_vector<T>(k, [&](auto get, auto) __attribute__((always_inline)) {
    Vec<T> right[cols];
#pragma GCC unroll 6
    for (int j = 0; j < cols; ++j) right[j] = get(b + j * b_stride);
#pragma GCC unroll 4
    for (int i = 0; i < rows; ++i) {
      const Vec<T> left = get(a + i * a_stride);
#pragma GCC unroll 6
      for (int j = 0; j < cols; ++j) {
        sum[i * cols + j] = multiply_add<T>(left, right[j], sum[i * cols + j]);
      }
    }
  });
  constexpr int size = static_cast<int>(lanes<T>);
  T dots[(rows * cols + size - 1) / size * size];
  for (int first = 0; first < rows * cols; first += size) {
    NativeVector<T> part[size] = {};
    for (int i = 0; i < size && first + i < rows * cols; ++i) {
      part[i] = std::bit_cast<NativeVector<T>>(sum[first + i]);
    }
    fold_all<T, size / 2>(part);
    std::memcpy(dots + first, &part[0], sizeof part[0]);
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < cols; ++j) {
      T* to = c + i * c_row_stride + j * c_col_stride;
      *to = alpha * dots[i * cols + j] + (beta != T{0} ? beta * *to : T{0});
    }
  }
}

template <class T>
using DotTile = void (*)(Index, const T*, Index, const T*, Index, T, T, T*, Index, Index);

template <class T>
struct DotTiles {
  DotTile<T> kernel[dot_rows][most_dot_cols];
};

template <class T, int rows, int... j>
constexpr void set_dot_tiles(DotTiles<T>& tiles, std::integer_sequence<int, j...>) {
  ((tiles.kernel[rows - 1][j] = dot_tile<T, rows, j + 1>), ...);
}

template <class T, int... i>
constexpr DotTiles<T> make_dot_tiles(std::integer_sequence<int, i...>) {
  DotTiles<T> tiles = {};
  (set_dot_tiles<T, i + 1>(tiles, std::make_integer_sequence<int, dot_cols(i + 1)>()), ...);
  return tiles;
}

template <class T>
constexpr DotTiles<T> dot_tiles = make_dot_tiles<T>(std::make_integer_sequence<int, dot_rows>());

// The rows of A are cut evenly: a row left over would have few sums to itself.
template <class T>
void dots(Index k, const T* a, Index a_stride, Index m, const T* b, Index b_stride, Index n,
          T alpha, T beta, T* c, Index c_row_stride, Index c_col_stride) {
  const Index parts = (m + dot_rows - 1) / dot_rows;
  const Index step = dot_cols(static_cast<int>((m + parts - 1) / greater(parts, 1)));
  for (Index j = 0; j < n; j += step) {
    const Index cols = lesser(step, n - j);
    for (Index part = 0; part < parts; ++part) {
      const Index i = m * part / parts, rows = m * (part + 1) / parts - i;
      dot_tiles<T>.kernel[rows - 1][cols - 1](
          k, a + i * a_stride, a_stride, b + j * b_stride, b_stride, alpha, beta,
          c + i * c_row_stride + j * c_col_stride, c_row_stride, c_col_stride);
    }
  }
}

// ---- sums of a few large rows ----

// More rows at a time load and store C less often, but are more streams from afar. Either way the
// sums run in one order.
constexpr int summed_from_afar = 4, summed_at_once = registers == 32 ? 8 : 4;
constexpr Index bytes_ahead = 1024, short_row_bytes = 4096;

// Adds `count` rows of B, times a value of A each, to each row of C. `head` columns come before B's
// first whole cache line; `ahead` is how far on B is fetched, 0: not.
template <class T, int rows, int count>
void add_products(const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                  Index b_row_stride, T* c, Index c_row_stride, Index n, Index head, Index ahead) {
  Vec<T> factor[rows][count];
  for (int i = 0; i < rows; ++i) {
    for (int p = 0; p < count; ++p) factor[i][p] = a[i * a_row_stride + p * a_col_stride];
  }
  const auto add = [&](auto get, auto put, const T* from, T* to) __attribute__((always_inline)) {
    Vec<T> right[count];
#pragma GCC unroll 8
    for (int p = 0; p < count; ++p) {
      right[p] = get(from + p * b_row_stride);
      if (ahead != 0) __builtin_prefetch(from + p * b_row_stride + ahead);
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; ++i) {
      Vec<T> sum = get(to + i * c_row_stride);
#pragma GCC unroll 8
      for (int p = 0; p < count; ++p) sum = multiply_add<T>(factor[i][p], right[p], sum);
      put(sum, to + i * c_row_stride);
    }
  };
  if (head > 0) {
    add([=](const T* p) __attribute__((always_inline)) { return load_partial(p, head); },
        [=](Vec<T> v, T* p) __attribute__((always_inline)) { store_partial(v, p, head); }, b, c);
  }
  Index j = head;
  for (; j + lanes<T> <= n; j += lanes<T>) {
    add([](const T* p) __attribute__((always_inline)) { return load(p); },
        [](Vec<T> v, T* p) __attribute__((always_inline)) { store(v, p); }, b + j, c + j);
  }
  if (const Index rest = n - j; rest > 0) {
    add([=](const T* p) __attribute__((always_inline)) { return load_partial(p, rest); },
        [=](Vec<T> v, T* p) __attribute__((always_inline)) { store_partial(v, p, rest); }, b + j,
        c + j);
  }
}

template <class T, int rows, int count>
void add_rows_to(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                 Index b_row_stride, bool far, T* c, Index c_row_stride, Index n) {
  constexpr auto size = static_cast<Index>(sizeof(T)), line = 64 / size;
  // Vectors that cross cache lines cost two accesses each, and keep the hardware's prefetchers from
  // keeping up: so they start at whole lines of B. Of rows that are no whole number of lines apart,
  // every `period`-th starts at the same place in a line: these are added at once.
  const Index period = line / std::gcd(line, b_row_stride);
  const Index step = period * b_row_stride, block = summed_at_once * period;
  const Index ahead = !far                          ? 0
                      : n * size <= short_row_bytes ? block * b_row_stride
                                                    : bytes_ahead / size;
  const auto head_of = [&](const T* row) {
    const auto past = static_cast<Index>(reinterpret_cast<std::uintptr_t>(row) / size) % line;
    return lesser(n, (line - past) % line % lanes<T>);
  };
  const Index blocks = k / block * block;
  for (Index first = 0; first < blocks; first += block) {
    for (Index place = first; place < first + period; ++place) {
      const Index head = head_of(b + place * b_row_stride);
      for (Index p = place; p < first + block; p += count * period) {
        add_products<T, rows, count>(a + p * a_col_stride, a_row_stride, period * a_col_stride,
                                     b + p * b_row_stride, step, c, c_row_stride, n, head, ahead);
      }
    }
  }
  Index p = blocks;
  for (; p + summed_from_afar <= k; p += summed_from_afar) {
    add_products<T, rows, summed_from_afar>(a + p * a_col_stride, a_row_stride, a_col_stride,
                                            b + p * b_row_stride, b_row_stride, c, c_row_stride, n,
                                            0, 0);
  }
  for (; p < k; ++p) {
    const T* from = b + p * b_row_stride;
    add_products<T, rows, 1>(a + p * a_col_stride, a_row_stride, a_col_stride, from, b_row_stride,
                             c, c_row_stride, n, head_of(from), 0);
  }
}

// So many columns of C stay in the first-level cache while B passes.
constexpr Index most_sum_bytes = 24 << 10;

template <class T>
void add_rows(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
              Index b_row_stride, bool far, T* c, Index c_row_stride, Index m, Index n) {
  constexpr decltype(&add_rows_to<T, 1, 1>) near_by[most_thin_rows] = {
      add_rows_to<T, 1, summed_at_once>, add_rows_to<T, 2, summed_at_once>,
      add_rows_to<T, 3, summed_from_afar>, add_rows_to<T, 4, summed_from_afar>};
  constexpr decltype(&add_rows_to<T, 1, 1>) from_afar[most_thin_rows] = {
      add_rows_to<T, 1, summed_from_afar>, add_rows_to<T, 2, summed_from_afar>,
      add_rows_to<T, 3, summed_from_afar>, add_rows_to<T, 4, summed_from_afar>};
  const Index widest = most_sum_bytes / m / static_cast<Index>(sizeof(T)) / 64 * 64;
  const auto add = (far ? from_afar : near_by)[m - 1];
  for (Index j = 0; j < n; j += widest) {
    add(k, a, a_row_stride, a_col_stride, b + j, b_row_stride, far, c + j, c_row_stride,
        lesser(widest, n - j));
  }
}

// ---- few rows against packed panels ----

// A panel is two vectors wide, and a multiply-add takes some four cycles in which eight could
// begin: so the depth is dealt to as many sums as that takes, which are added up at the end.
constexpr int panel_vectors = 2, panel_sums = 8;
constexpr Index panel_bytes_ahead = 3072;  // of a panel from afar

template <class T, int rows, bool far>
void multiply_panel(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* panel,
                    T alpha, T beta, T* c, Index c_row_stride, Index n) {
  constexpr int per_hand = panel_vectors * rows, hands = (panel_sums + per_hand - 1) / per_hand;
  constexpr Index width = panel_vectors * lanes<T>, size = sizeof(T);
  Vec<T> sum[hands][rows][panel_vectors];
#pragma GCC unroll 12
  for (int i = 0; i < hands * rows * panel_vectors; ++i) (&sum[0][0][0])[i] = T{0};
  const auto add = [&](const T* left, const T* right,
                       Vec<T>(*to)[panel_vectors]) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int v = 0; v < panel_vectors; ++v) {
      const Vec<T> row = load(right + v * lanes<T>);
#pragma GCC unroll 4
      for (int i = 0; i < rows; ++i) {
        to[i][v] = multiply_add<T>(Vec<T>(left[i * a_row_stride]), row, to[i][v]);
      }
    }
  };
  Index p = 0;
  for (; p + hands <= k; p += hands) {
#pragma GCC unroll 4
    for (int hand = 0; hand < hands; ++hand) {
      add(a + (p + hand) * a_col_stride, panel + (p + hand) * width, sum[hand]);
      if constexpr (far) {
#pragma GCC unroll 4
        for (Index at = 0; at < width; at += 64 / size) {
          __builtin_prefetch(panel + (p + hand) * width + at + panel_bytes_ahead / size);
        }
      }
    }
  }
  for (; p < k; ++p) add(a + p * a_col_stride, panel + p * width, sum[0]);
#pragma GCC unroll 4
  for (int i = 0; i < rows; ++i) {
    T total[width];
#pragma GCC unroll 2
    for (int v = 0; v < panel_vectors; ++v) {
      Vec<T> value = sum[0][i][v];
      if constexpr (hands > 1) value += sum[1][i][v];
      if constexpr (hands == 4) value += sum[2][i][v] + sum[3][i][v];
      store(value * alpha, total + v * lanes<T>);
    }
    for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
      T* to = c + i * c_row_stride;
      Vec<T> value = get(total);
      if (beta != T{0}) value = multiply_add<T>(get(to), beta, value);
      put(value, to);
    });
  }
}

template <class T, bool far>
constexpr decltype(&multiply_panel<T, 1, far>) panels_of_rows[most_thin_rows] = {
    multiply_panel<T, 1, far>, multiply_panel<T, 2, far>, multiply_panel<T, 3, far>,
    multiply_panel<T, 4, far>};

template <class T>
void panel(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* packed, bool far,
           T alpha, T beta, T* c, Index c_row_stride, Index m, Index n) {
  (far ? panels_of_rows<T, true> : panels_of_rows<T, false>)[m - 1](
      k, a, a_row_stride, a_col_stride, packed, alpha, beta, c, c_row_stride, n);
}

// ---- columns one after another ----

// Vector `which` of `count` whose elements in turn are those of `count` columns: the column's.
template <class T, int count, int which, int... lane>
UNITGAIN_INLINE NativeVector<T> column_of(const NativeVector<T>* rows,
                                          std::integer_sequence<int, lane...>) {
  constexpr int size = sizeof...(lane);
  NativeVector<T> column = rows[0];
  for_each_index(
      [&](auto next) __attribute__((always_inline)) {
        // Lane i of the column is element i * count + which of all.
        constexpr int source = next + 1;
        column = shuffle<T, ((lane * count + which) / size == source
                                 ? size + (lane * count + which) % size
                             : source == 1 ? (lane * count + which) % size
                                           : lane)...>(column, rows[source]);
      },
      std::make_integer_sequence<int, count - 1>());
  return column;
}

template <class T, int count>
Index pack_interleaved(const T* b, Index k, T* columns, Index stride) {
  Index p = 0;
  for (; p + lanes<T> <= k; p += lanes<T>) {
    NativeVector<T> rows[count];
    std::memcpy(rows, b + p * count, sizeof rows);
    for_each_index(
        [&](auto which) __attribute__((always_inline)) {
          const NativeVector<T> column = column_of<T, count, which>(
              rows, std::make_integer_sequence<int, static_cast<int>(lanes<T>)>());
          std::memcpy(columns + which * stride + p, &column, sizeof column);
        },
        std::make_integer_sequence<int, count>());
  }
  return p;
}

template <class T>
void pack_columns(const T* b, Index row_stride, Index col_stride, Index k, Index n, T* columns,
                  Index stride) {
  Index done = 0;
  if (col_stride == 1 && row_stride == n) {
    switch (n) {
      case 2:
        done = pack_interleaved<T, 2>(b, k, columns, stride);
        break;
      case 3:
        done = pack_interleaved<T, 3>(b, k, columns, stride);
        break;
      case 4:
        done = pack_interleaved<T, 4>(b, k, columns, stride);
        break;
      case 5:
        done = pack_interleaved<T, 5>(b, k, columns, stride);
        break;
      case 6:
        done = pack_interleaved<T, 6>(b, k, columns, stride);
        break;
      case 7:
        done = pack_interleaved<T, 7>(b, k, columns, stride);
        break;
      case 8:
        done = pack_interleaved<T, 8>(b, k, columns, stride);
        break;
      default:
        break;
    }
  }
  for (Index p = done; p < k; ++p) {
    for (Index j = 0; j < n; ++j) columns[j * stride + p] = b[p * row_stride + j * col_stride];
  }
}

}  // namespace

template <class T>
constexpr ThinGemmKernels<T> kernels = {
    .most_depth = most_depth,
    .shallow = shallow<T>,
    .dots = dots<T>,
    .pack_columns = pack_columns<T>,
    .add_rows = add_rows<T>,
    .panel = panel<T>,
};

constinit const ThinGemmKernels<float> thin_gemm_f32 = kernels<float>;
constinit const ThinGemmKernels<double> thin_gemm_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
