// The functions that every instruction-set variant provides, as tables of function pointers.
//
// Sources above this floor and the sources in simd/ both include this file, so it holds types and
// declarations only: an inline function here could be compiled for AVX-512 and kept by the linker
// as the copy that every CPU runs.
//
// What holds for every kernel: one thread; raw pointers and element counts; any alignment; sizes
// may be zero; matrices are row-major with a row stride in elements and unit column stride unless
// both strides are given; inputs may equal the output exactly where "in place" is said, and must
// not overlap it otherwise.
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// What is done to a tile of C while it is still in L1, in this order:
//   c = c * scale[j] + bias[j]; z = c; y = activation(c); c = c * derivative(saved).
// Every pointer may be null (or the activation linear), which skips that step. Pointers are those
// of the tile's first element; per-column vectors start at the tile's first column.
template <class T>
struct TileEpilogue {
  const T* scale;  // one per column
  const T* bias;   // one per column
  ActivationSpec activation;
  T* output;  // where the activated tile goes; null: in place, over C
  Index output_stride;
  const T*
      saved;  // what `derivative` is evaluated at (its output or its input, see activation.hpp)
  Index saved_stride;
  ActivationSpec derivative;
};

template <class T>
struct GemmKernels {
  Index mr;  // rows of the micro-tile
  Index nr;  // columns of the micro-tile

  // Packs the m x k matrix A into ceil(m / mr) panels. A panel holds, for each column of A in turn,
  // the panel's mr values; rows beyond m are zero.
  void (*pack_a)(const T* a, Index row_stride, Index col_stride, Index m, Index k, T* packed);
  // Packs the k x n matrix B into ceil(n / nr) panels. A panel holds, for each row of B in turn,
  // the panel's nr values; columns beyond n are zero.
  void (*pack_b)(const T* b, Index row_stride, Index col_stride, Index k, Index n, T* packed);
  // C = alpha A B + beta C for one packed panel of each; C is m x n with m <= mr, n <= nr. When
  // beta is 0, C is not read.
  void (*tile)(Index k, const T* a_panel, const T* b_panel, T alpha, T beta, T* c, Index row_stride,
               Index m, Index n);
  void (*epilogue)(T* c, Index row_stride, Index m, Index n, const TileEpilogue<T>& epilogue);
};

template <class T>
struct ActivationKernel {
  // y = f(x), in place allowed.
  void (*forward)(const T* x, T* y, Index n, const double* parameters);
  // gradient = upstream * f'(...), `saved` being f's output or its input, whichever
  // `activation_saves_input` says for this activation. gradient may equal saved or upstream.
  void (*gradient)(const T* saved, const T* upstream, T* gradient, Index n,
                   const double* parameters);
};

template <class T>
struct ActivationKernels {
  ActivationKernel<T> row[activation_count];
};

template <class T>
struct SoftmaxKernels {
  // One row of n values, in place allowed.
  void (*softmax)(const T* x, T* y, Index n);
  // gradient_j = y_j (upstream_j - sum_i upstream_i y_i), in place allowed.
  void (*gradient)(const T* y, const T* upstream, T* gradient, Index n);
  // Cross-entropy of one row of n logits against a class label, in nats; `gradient` (may be null,
  // may equal logits) receives scale * (softmax(logits) - onehot(label)), and *predicted the index
  // of the largest logit (the first of equals; the row's first NaN if there is one, as
  // numpy.argmax).
  double (*sparse_cross_entropy)(const T* logits, Index n, Index label, T scale, T* gradient,
                                 Index* predicted);
};

// Columns of a rows x cols matrix: the statistics and the transforms of batch normalisation.
template <class T>
struct ColumnKernels {
  // sums[j] = sum_i x_ij, over all rows in an order that depends on `rows` alone.
  void (*sum)(const T* x, Index row_stride, Index rows, Index cols, T* sums);
  // Mean and biased variance of each column.
  void (*moments)(const T* x, Index row_stride, Index rows, Index cols, T* mean, T* variance);
  // y = (x - mean_j) * scale_j + shift_j, in place allowed.
  void (*normalize)(const T* x, Index x_stride, T* y, Index y_stride, Index rows, Index cols,
                    const T* mean, const T* scale, const T* shift);
  // sum_upstream[j] = sum_i upstream_ij; sum_product[j] = sum_i upstream_ij (x_ij - mean_j)
  // inv_std_j.
  void (*normalize_gradient_sums)(const T* x, Index x_stride, const T* upstream,
                                  Index upstream_stride, Index rows, Index cols, const T* mean,
                                  const T* inverse_deviation, T* sum_upstream, T* sum_product);
  // gradient = factor_j (upstream - mean_upstream_j - (x - mean_j) inv_std_j mean_product_j), where
  // factor is gamma times the inverse deviation. In place over upstream or x allowed.
  void (*normalize_gradient)(const T* x, Index x_stride, const T* upstream, Index upstream_stride,
                             T* gradient, Index gradient_stride, Index rows, Index cols,
                             const T* mean, const T* inverse_deviation, const T* factor,
                             const T* mean_upstream, const T* mean_product);
};

template <class T>
struct OptimizerKernels {
  // w -= rate * g.
  void (*sgd)(T* w, const T* g, Index n, T rate);
  // v = momentum * v - rate * g; w += v, or with Nesterov w += momentum * v - rate * g.
  void (*sgd_momentum)(T* w, const T* g, T* v, Index n, T rate, T momentum, bool nesterov);
  // m += (g - m)(1 - beta_1); v += (g^2 - v)(1 - beta_2); w -= rate * m / (sqrt(v) + epsilon),
  // where rate already holds the bias corrections.
  void (*adam)(T* w, const T* g, T* m, T* v, Index n, T rate, T beta_1, T beta_2, T epsilon);
};

template <class T>
struct DropoutKernels {
  // y_i = x_i * scale where the random word of position first + i is at least `threshold`, else 0.
  // In place allowed. The words are Philox4x32-10 with the given key: word (p % 4) of the counter
  // {low(p / 4), high(p / 4), low(stream), high(stream)} for position p.
  void (*dropout)(const T* x, T* y, Index n, std::uint64_t key, std::uint64_t stream,
                  std::uint64_t first, std::uint32_t threshold, T scale);
};

// Level-1 linear algebra on contiguous vectors. Every sum has a fixed number of partial sums, so
// that its bits depend on n and the variant alone.
template <class T>
struct VectorKernels {
  T (*dot)(const T* x, const T* y, Index n);
  // dots[i] = x[i] . y for four vectors x[0] ... x[3], reading y once.
  void (*dot4)(const T* const* x, const T* y, Index n, T* dots);
  // The largest |x_i|, 0 for n = 0, or NaN if any x_i is not finite.
  T (*max_abs)(const T* x, Index n);
  void (*axpy)(T alpha, const T* x, T* y, Index n);  // y += alpha x
  // y += alpha x, returning the sum of the squares of the new y.
  T (*axpy_squares)(T alpha, const T* x, T* y, Index n);
  // y += alpha[0] x[0] + ... + alpha[3] x[3], reading and writing y once.
  void (*axpy4)(const T* alpha, const T* const* x, T* y, Index n);
  void (*scale)(T alpha, T* x, Index n);
  void (*add)(const T* x, const T* y, T* sum, Index n);  // in place allowed
  void (*rotate)(T* x, T* y, Index n, T c, T s);         // (x, y) = (c x - s y, s x + c y)
  // The same, with squares[0] and squares[1] the sums of the squares of the new x and the new y.
  void (*rotate_squares)(T* x, T* y, Index n, T c, T s, T* squares);
};

template <class T>
struct Kernels {
  const GemmKernels<T>* gemm;
  const ActivationKernels<T>* activation;
  const SoftmaxKernels<T>* softmax;
  const ColumnKernels<T>* column;
  const OptimizerKernels<T>* optimizer;
  const DropoutKernels<T>* dropout;
  const VectorKernels<T>* vector;
};

struct KernelTable {
  Kernels<float> f32;
  Kernels<double> f64;
};

}  // namespace unitgain::simd
