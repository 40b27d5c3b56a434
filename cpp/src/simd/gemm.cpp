// The micro-kernel of the matrix product, its packing, and the epilogue on a finished tile.
//
// Assumptions:
// - a tile is mr x nr, nr two vectors wide; its accumulators, two vectors of B and one broadcast of
//   A fill the register file (32 registers with AVX-512 and NEON, 16 with SSE and AVX2);
// - C is row-major with unit column stride;
// - packed panels are mr (A) or nr (B) wide and zero beyond the matrix's edge.
#include <cstring>

#include "simd/kernels/activation.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/math.hpp"
#include "simd/strided_rows.hpp"
#include "simd/transpose.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

#if defined(__AVX512F__)
constexpr Index tile_rows = 14;
#elif defined(__AVX2__)
constexpr Index tile_rows = 6;
#elif defined(__aarch64__)
constexpr Index tile_rows = 12;
#else
constexpr Index tile_rows = 4;  // leaves registers for the products that precede the sums
#endif
constexpr int tile_vectors = 2;

template <class T>
constexpr Index tile_cols = tile_vectors * lanes<T>;

// ---- packing ----

// How many vectors ahead the lines of a panel are fetched: they are more than a hardware prefetcher
// follows.
constexpr Index lines_ahead = 4;

// Transposes `lines` lines of `lanes` values each to rows of `panel` values. Stores are of whole
// vectors, since partial ones take a dozen times as long on AMD's AVX2: what is beyond the lines
// lands where the next row of the panel, written later, has its own values. `last`: there is none.
template <class T, Index panel, Index lines>
UNITGAIN_INLINE void pack_block(const T* from, Index line_stride, T* to, bool last) {
  NativeVector<T> block[lanes<T>] = {};
#pragma GCC unroll 16
  for (Index line = 0; line < lines; ++line) {
    const T* values = from + line * line_stride;
    __builtin_prefetch(values + lines_ahead * lanes<T>);
    std::memcpy(&block[line], values, sizeof(block[0]));
  }
  transpose<T>(block);
#pragma GCC unroll 16
  for (Index column = 0; column < lanes<T>; ++column) {
    if (column == lanes<T> - 1 && lines < lanes<T> && last) {
      std::memcpy(to + column * panel, &block[column], static_cast<std::size_t>(lines) * sizeof(T));
    } else {
      std::memcpy(to + column * panel, &block[column], sizeof(block[0]));
    }
  }
}

// The same of a number of lines that the compiler does not know.
template <class T, Index panel>
UNITGAIN_INLINE void pack_last_lines(const T* from, Index line_stride, Index lines, T* to) {
  NativeVector<T> block[lanes<T>] = {};
  for (Index line = 0; line < lines; ++line) {
    std::memcpy(&block[line], from + line * line_stride, sizeof(block[0]));
  }
  transpose<T>(block);
  for (Index column = 0; column < lanes<T>; ++column) {
    store_partial(std::bit_cast<Vec<T>>(block[column]), to + column * panel, lines);
  }
}

// Not memcpy, which GCC 12 makes `rep movs` of where it knows that the number is small.
template <class T, Index panel>
UNITGAIN_INLINE void copy_line(const T* from, Index count, T* to) {
  Index i = 0;
#pragma GCC unroll 4
  for (; i + lanes<T> <= panel; i += lanes<T>) {
    if (i + lanes<T> > count) break;
    store(load(from + i), to + i);
  }
  if (i < count) store_partial(load_partial(from + i, count - i), to + i, count - i);
}

// Packs `width` lines of `depth` values each (value (i, p) at source[i * line_stride + p *
// depth_stride]) into one panel of `panel` lines, transposed: packed[p * panel + i].
template <class T, Index panel>
void pack_panel(const T* source, Index line_stride, Index depth_stride, Index width, Index depth,
                T* packed) {
  if (width < panel) std::memset(packed, 0, static_cast<std::size_t>(panel * depth) * sizeof(T));
  if (line_stride == 1) {
    for (Index p = 0; p < depth; ++p, source += depth_stride, packed += panel) {
      if (width == panel) {
        std::memcpy(packed, source, static_cast<std::size_t>(panel) * sizeof(T));
      } else {
        copy_line<T, panel>(source, width, packed);
      }
    }
    return;
  }
  Index p = 0;
  if (depth_stride == 1 && width == panel) {
    // The block with less than `lanes` lines first: the others write over what it stores beyond.
    constexpr Index rest = panel % lanes<T>;
    for (; p + lanes<T> <= depth; p += lanes<T>) {
      const T* from = source + p;
      T* to = packed + p * panel;
      if constexpr (rest > 0) {
        pack_block<T, panel, rest>(from + (panel - rest) * line_stride, line_stride,
                                   to + (panel - rest), p + lanes<T> == depth);
      }
      for (Index i = 0; i + lanes<T> <= panel; i += lanes<T>) {
        pack_block<T, panel, lanes<T>>(from + i * line_stride, line_stride, to + i, false);
      }
    }
  } else if (depth_stride == 1) {
    for (; p + lanes<T> <= depth; p += lanes<T>) {
      for (Index i = 0; i < width; i += lanes<T>) {
        pack_last_lines<T, panel>(source + i * line_stride + p, line_stride,
                                  lesser(lanes<T>, width - i), packed + p * panel + i);
      }
    }
  }
  for (; p < depth; ++p) {
    for (Index i = 0; i < width; ++i) {
      packed[p * panel + i] = source[i * line_stride + p * depth_stride];
    }
  }
}

template <class T, Index panel>
void pack(const T* source, Index line_stride, Index depth_stride, Index width, Index depth,
          T* packed) {
  for (Index i = 0; i < width; i += panel) {
    pack_panel<T, panel>(source + i * line_stride, line_stride, depth_stride,
                         lesser(panel, width - i), depth, packed + i * depth);
  }
}

template <class T>
void pack_a(const T* a, Index row_stride, Index col_stride, Index m, Index k, T* packed) {
  pack<T, tile_rows>(a, row_stride, col_stride, m, k, packed);
}

template <class T>
void pack_b(const T* b, Index row_stride, Index col_stride, Index k, Index n, T* packed) {
  pack<T, tile_cols<T>>(b, col_stride, row_stride, n, k, packed);
}

// ---- the micro-kernel ----

// How A's tile lies in memory. Packed or in column order, its values are at constant offsets, which
// the broadcasts take as operands; B's rows are whole vectors either way, so its stride need not be
// known.
enum class Layout { columns, rows };

// How many rows ahead B in place is fetched: its rows are often a page apart, which no hardware
// prefetcher follows.
constexpr Index rows_ahead = 8;

// A sum of k products is that of chains of at most so many, each of equal length or nearly: the
// rounding errors of random terms then grow with the square root of chain + k / chain in place of
// that of k. At 128 they stay below those of MKL, whose chains seem to be of some 190, and adding a
// chain to the total costs 2% of it.
constexpr Index longest_chain = 128;

// From here on the sums take long enough for C's lines to come from afar meanwhile.
constexpr Index least_depth_to_fetch = 48;

// `rows` x `vectors` accumulators; `rest` is the number of lanes of the last vector that are inside
// C (lanes: all of them), and `partial` whether B too ends there.
template <class T, int rows, int vectors, Layout a_layout>
void multiply_tile(Index k, const T* a, Index a_row_stride, Index a_depth_stride,
                   const RightPanel<T>& panel, T alpha, T beta, T* c, Index c_row_stride,
                   Index rest) {
  const bool b_in_place = panel.depth_stride != packed_panel;
  const bool partial = b_in_place && rest < lanes<T>;
  const Index b_depth_stride = b_in_place ? panel.depth_stride : tile_cols<T>;
  const T *b = panel.data, *fetch = panel.fetch;
  T* packed_b = panel.packed;
  StridedRows<T, a_layout == Layout::rows ? rows : 1> strided(a, a_row_stride);

  if (k >= least_depth_to_fetch) {
    // Not unrolled: the rows' addresses would be kept in registers, for the stores at the end.
#pragma GCC unroll 1
    for (int i = 0; i < rows; ++i) {
      __builtin_prefetch(c + i * c_row_stride, 1);
      if constexpr (vectors == 2) __builtin_prefetch(c + i * c_row_stride + lanes<T>, 1);
    }
  }
  Vec<T> sum[rows][vectors];
  const auto add_chain = [&](Index depth) __attribute__((always_inline)) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[i][v] = T{0};
    }
    for (Index p = 0; p < depth; ++p, b += b_depth_stride) {
      Vec<T> row[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        row[v] = v == vectors - 1 && partial ? load_partial(b + v * lanes<T>, rest)
                                             : load(b + v * lanes<T>);
      }
      if (b_in_place) {
        __builtin_prefetch(b + rows_ahead * b_depth_stride);
        if constexpr (vectors == 2) __builtin_prefetch(b + rows_ahead * b_depth_stride + lanes<T>);
        if (packed_b != nullptr) {
#pragma GCC unroll 2
          for (int v = 0; v < vectors; ++v) store(row[v], packed_b + v * lanes<T>);
          packed_b += tile_cols<T>;
        }
      }
      if (fetch != nullptr) {
        __builtin_prefetch(fetch, 0, 2);
        if constexpr (vectors == 2) __builtin_prefetch(fetch + lanes<T>, 0, 2);
        fetch += panel.fetch_stride;
      }
      const auto add_row = [&](auto i) __attribute__((always_inline)) {
        Vec<T> value;
        if constexpr (a_layout == Layout::rows) {
          value = strided.template value<i>();
        } else {
          value = a[i];
        }
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[i][v] = multiply_add<T>(value, row[v], sum[i][v]);
      };
      if constexpr (a_layout == Layout::rows) {
        strided.hold_strides();
        for_each_index(add_row, std::make_integer_sequence<int, rows>());
        strided.advance(a_depth_stride);
      } else {
        for_each_index(add_row, std::make_integer_sequence<int, rows>());
        a += a_depth_stride;
      }
    }
  };
  const Index chains = k <= longest_chain ? 1 : (k + longest_chain - 1) / longest_chain;
  add_chain(chains == 1 ? k : k / chains);
  if (chains > 1) {
    T total[rows * vectors * lanes<T>];
    for (Index chain = 1;; ++chain) {
#pragma GCC unroll 14
      for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) store(sum[i][v], total + (i * vectors + v) * lanes<T>);
      }
      add_chain(k * (chain + 1) / chains - k * chain / chains);
#pragma GCC unroll 14
      for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[i][v] += load(total + (i * vectors + v) * lanes<T>);
      }
      if (chain + 1 == chains) break;
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      T* to = c + i * c_row_stride + v * lanes<T>;
      Vec<T> value = sum[i][v] * alpha;
      if (v == vectors - 1 && rest < lanes<T>) {
        if (beta != T{0}) value = multiply_add<T>(load_partial(to, rest), beta, value);
        store_partial(value, to, rest);
      } else {
        if (beta != T{0}) value = multiply_add<T>(load(to), beta, value);
        store(value, to);
      }
    }
  }
}

template <class T>
using MultiplyTile = void (*)(Index, const T*, Index, Index, const RightPanel<T>&, T, T, T*, Index,
                              Index);

// The kernels for 1 ... tile_rows rows.
template <class T>
struct KernelsByRows {
  MultiplyTile<T> kernel[tile_rows];
};

template <class T, int vectors, Layout a_layout, int... row>
constexpr KernelsByRows<T> make_kernels(std::integer_sequence<int, row...>) {
  return {{multiply_tile<T, row + 1, vectors, a_layout>...}};
}

template <class T, int vectors, Layout a_layout>
constexpr KernelsByRows<T> kernels_by_rows =
    make_kernels<T, vectors, a_layout>(std::make_integer_sequence<int, tile_rows>());

template <class T>
void tile(Index k, const T* a, Index a_row_stride, Index a_depth_stride, const RightPanel<T>& b,
          T alpha, T beta, T* c, Index c_row_stride, Index m, Index n) {
  if (a_depth_stride == packed_panel) {
    a_row_stride = 1;
    a_depth_stride = tile_rows;
  }
  const bool narrow = n <= lanes<T>;
  const KernelsByRows<T>& kernels =
      a_row_stride == 1
          ? (narrow ? kernels_by_rows<T, 1, Layout::columns>
                    : kernels_by_rows<T, 2, Layout::columns>)
          : (narrow ? kernels_by_rows<T, 1, Layout::rows> : kernels_by_rows<T, 2, Layout::rows>);
  const Index rest = (n - 1) % lanes<T> + 1;
  kernels.kernel[m - 1](k, a, a_row_stride, a_depth_stride, b, alpha, beta, c, c_row_stride, rest);
}

// ---- the epilogue ----

template <class T>
const ActivationKernels<T>& activation_kernels() {
  if constexpr (sizeof(T) == sizeof(float)) {
    return activation_f32;
  } else {
    return activation_f64;
  }
}

// Calls body(get, put, row of `from`, row of `to`) for the vectors of each row.
template <class T, class Body>
UNITGAIN_INLINE void for_each_row(Index m, Index n, const T* from, Index from_stride, T* to,
                                  Index to_stride, Body&& body) {
  for (Index i = 0; i < m; ++i, from += from_stride, to += to_stride) {
    for_each_vector<T>(
        n, [&](auto get, auto put) __attribute__((always_inline)) { body(get, put, from, to); });
  }
}

template <class T>
[[gnu::noinline]] void copy_rows(Index m, Index n, const T* from, Index from_stride, T* to,
                                 Index to_stride) {
  for_each_row<T>(m, n, from, from_stride, to, to_stride,
                  [](auto get, auto put, const T* x, T* y)
                      __attribute__((always_inline)) { put(get(x), y); });
}

template <class T>
void store_product(const T* product, Index product_stride, T alpha, T beta, T* c,
                   Index c_row_stride, Index m, Index n) {
  const Vec<T> factor = alpha, rest = beta;
  if (beta == T{0}) {
    for_each_row<T>(m, n, product, product_stride, c, c_row_stride,
                    [&](auto get, auto put, const T* x, T* y)
                        __attribute__((always_inline)) { put(get(x) * factor, y); });
    return;
  }
  for_each_row<T>(m, n, product, product_stride, c, c_row_stride,
                  [&](auto get, auto put, const T* x, T* y) __attribute__((always_inline)) {
                    put(multiply_add<T>(get(y), rest, get(x) * factor), y);
                  });
}

template <class T>
void scale_and_shift(T* c, Index row_stride, Index m, Index n, const T* scale, const T* bias) {
  for_each_row<T>(m, n, c, row_stride, c, row_stride,
                  [&](auto get, auto put, const T* x, T* y) __attribute__((always_inline)) {
                    Vec<T> value = get(x);
                    if (scale != nullptr) value *= get(scale);
                    if (bias != nullptr) value += get(bias);
                    put(value, y);
                  });
}

template <class T>
void add_column_sums(const T* c, Index row_stride, Index m, Index n, T* sums) {
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    Vec<T> sum = get(c);
    for (Index i = 1; i < m; ++i) sum += get(c + i * row_stride);
    put(get(sums) + sum, sums);
  });
}

template <class T>
void drop(T* c, Index row_stride, Index m, Index n, const DropoutMask<T>& mask) {
  T factors[tile_cols<T>];
  for (Index i = 0; i < m; ++i, c += row_stride) {
    const Index position = mask.first + i * mask.row_stride, shift = position % 64;
    const std::uint64_t* words = mask.bits + position / 64;
    // Two shifts: one by 64 is not defined.
    const std::uint64_t bits = words[0] >> shift | words[1] << 1 << (63 - shift);
    for (Index j = 0; j < tile_cols<T>; ++j) factors[j] = (bits >> j & 1) != 0 ? mask.scale : T{0};
    for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
      // Selected, not multiplied away: what is not finite is dropped too.
      const Vec<T> factor = get(factors);
      put(select<T>(factor == T{0}, T{0}, get(c) * factor), c);
    });
  }
}

// An activation or a derivative runs once over the whole tile, made contiguous: a call for each
// short row would cost more than the arithmetic.
template <class T>
void epilogue(T* c, Index row_stride, Index m, Index n, const TileEpilogue<T>& e) {
  const ActivationKernels<T>& activations = activation_kernels<T>();
  if (e.scale != nullptr || e.bias != nullptr) {
    scale_and_shift(c, row_stride, m, n, e.scale, e.bias);
  }
  T tile[tile_rows * tile_cols<T>];
  if (e.activation.kind != Activation::linear || e.output != nullptr) {
    const auto forward = activations.row[static_cast<int>(e.activation.kind)]->forward;
    copy_rows(m, n, c, row_stride, tile, n);
    forward(tile, tile, m * n, e.activation.parameters);
    if (e.dropout.bits != nullptr) drop(tile, n, m, n, e.dropout);
    if (e.output != nullptr) {
      copy_rows(m, n, tile, n, e.output, e.output_stride);
    } else {
      copy_rows(m, n, tile, n, c, row_stride);
    }
  } else if (e.dropout.bits != nullptr) {
    drop(c, row_stride, m, n, e.dropout);
  }
  if (e.saved != nullptr && e.derivative.kind != Activation::linear) {
    const ActivationKernel<T>& kernel = *activations.row[static_cast<int>(e.derivative.kind)];
    const auto gradient = kernel.gradient_at_output ? kernel.gradient_at_output : kernel.gradient;
    T saved[tile_rows * tile_cols<T>];
    copy_rows(m, n, c, row_stride, tile, n);
    copy_rows(m, n, e.saved, e.saved_stride, saved, n);
    gradient(saved, tile, tile, m * n, e.derivative.parameters);
    copy_rows(m, n, tile, n, c, row_stride);
  }
  if (e.column_sums != nullptr) add_column_sums(c, row_stride, m, n, e.column_sums);
}

}  // namespace

template <class T>
constexpr GemmKernels<T> kernels = {
    .mr = tile_rows,
    .nr = tile_cols<T>,
    .pack_a = pack_a<T>,
    .pack_b = pack_b<T>,
    .tile = tile<T>,
    .store = store_product<T>,
    .epilogue = epilogue<T>,
};

constinit const GemmKernels<float> gemm_f32 = kernels<float>;
constinit const GemmKernels<double> gemm_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
