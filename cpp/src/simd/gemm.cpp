// The micro-kernel of the matrix product, its packing, and the epilogue on a finished tile.
//
// Assumptions:
// - a tile is mr x nr, nr two vectors wide; its accumulators, two vectors of B and one broadcast of
//   A fill the register file (32 registers with AVX-512 and NEON, 16 with SSE and AVX2);
// - C is row-major with unit column stride;
// - packed panels are mr (A) or nr (B) wide and zero beyond the matrix's edge.
#include <cstring>

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
        std::memcpy(packed, source, static_cast<std::size_t>(width) * sizeof(T));
      }
    }
    return;
  }
  Index p = 0;
  if (depth_stride == 1) {
    // Blocks of lanes x lanes through registers; the last lines of a panel that is no whole number
    // of vectors are stored as part of a vector.
    for (; p + lanes<T> <= depth; p += lanes<T>) {
      for (Index i = 0; i < width; i += lanes<T>) {
        const Index lines = std::min(lanes<T>, width - i);
        NativeVector<T> block[lanes<T>] = {};
        for (Index line = 0; line < lines; ++line) {
          std::memcpy(&block[line], source + (i + line) * line_stride + p, sizeof(block[0]));
        }
        transpose<T>(block);
        for (Index column = 0; column < lanes<T>; ++column) {
          T* to = packed + (p + column) * panel + i;
          if (lines == lanes<T>) {
            std::memcpy(to, &block[column], sizeof(block[0]));
          } else {
            store_partial(std::bit_cast<Vec<T>>(block[column]), to, lines);
          }
        }
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
                         std::min(panel, width - i), depth, packed + i * depth);
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

// How A's tile lies in memory. Packed, its values are at constant offsets, which the broadcasts
// take as operands; B's rows are whole vectors either way, so its stride need not be known.
enum class Layout { packed, in_place };

// `rows` x `vectors` accumulators; `rest` is the number of lanes of the last vector that are inside
// C (lanes: all of them), and `partial` whether B too ends there.
template <class T, int rows, int vectors, Layout a_layout>
void multiply_tile(Index k, const T* a, Index a_row_stride, Index a_depth_stride, const T* b,
                   Index b_depth_stride, bool partial, T alpha, T beta, T* c, Index c_row_stride,
                   Index rest) {
  if constexpr (a_layout == Layout::packed) {
    a_row_stride = 1;
    a_depth_stride = tile_rows;
  }

  Vec<T> sum[rows][vectors];
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sum[i][v] = T{0};
  }
  for (Index p = 0; p < k; ++p, a += a_depth_stride, b += b_depth_stride) {
    Vec<T> row[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      row[v] = v == vectors - 1 && partial ? load_partial(b + v * lanes<T>, rest)
                                           : load(b + v * lanes<T>);
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; ++i) {
      const Vec<T> value = a[i * a_row_stride];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[i][v] = multiply_add<T>(value, row[v], sum[i][v]);
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
using MultiplyTile = void (*)(Index, const T*, Index, Index, const T*, Index, bool, T, T, T*, Index,
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
void tile(Index k, const T* a, Index a_row_stride, Index a_depth_stride, const T* b,
          Index b_depth_stride, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n) {
  const bool a_packed = a_depth_stride == packed_panel, b_packed = b_depth_stride == packed_panel;
  const bool narrow = n <= lanes<T>;
  const KernelsByRows<T>& kernels =
      a_packed
          ? (narrow ? kernels_by_rows<T, 1, Layout::packed> : kernels_by_rows<T, 2, Layout::packed>)
          : (narrow ? kernels_by_rows<T, 1, Layout::in_place>
                    : kernels_by_rows<T, 2, Layout::in_place>);
  const Index rest = (n - 1) % lanes<T> + 1;
  const bool partial = !b_packed && rest < lanes<T>;
  if (b_packed) b_depth_stride = tile_cols<T>;
  kernels.kernel[m - 1](k, a, a_row_stride, a_depth_stride, b, b_depth_stride, partial, alpha, beta,
                        c, c_row_stride, rest);
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

template <class T>
void scale_and_shift(T* row, Index n, const T* scale, const T* bias) {
  for_each_vector<T>(n, [&](auto get, auto put) {
    Vec<T> value = get(row);
    if (scale != nullptr) value *= get(scale);
    if (bias != nullptr) value += get(bias);
    put(value, row);
  });
}

template <class T>
void epilogue(T* c, Index row_stride, Index m, Index n, const TileEpilogue<T>& e) {
  const ActivationKernels<T>& activations = activation_kernels<T>();
  const bool activate = e.activation.kind != Activation::linear || e.output != nullptr;
  const bool differentiate = e.saved != nullptr && e.derivative.kind != Activation::linear;
  for (Index i = 0; i < m; ++i) {
    T* row = c + i * row_stride;
    if (e.scale != nullptr || e.bias != nullptr) scale_and_shift(row, n, e.scale, e.bias);
    if (activate) {
      T* to = e.output != nullptr ? e.output + i * e.output_stride : row;
      activations.row[static_cast<int>(e.activation.kind)]->forward(row, to, n,
                                                                    e.activation.parameters);
    }
    if (differentiate) {
      const ActivationKernel<T>& kernel = *activations.row[static_cast<int>(e.derivative.kind)];
      const auto gradient = kernel.gradient_at_output ? kernel.gradient_at_output : kernel.gradient;
      gradient(e.saved + i * e.saved_stride, row, row, n, e.derivative.parameters);
    }
  }
}

}  // namespace

constinit const GemmKernels<float> gemm_f32 = {tile_rows,     tile_cols<float>, pack_a<float>,
                                               pack_b<float>, tile<float>,      epilogue<float>};
constinit const GemmKernels<double> gemm_f64 = {
    tile_rows, tile_cols<double>, pack_a<double>, pack_b<double>, tile<double>, epilogue<double>};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
