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

// The depth stride that stands for a packed panel: no stride of an operand in place can be this.
inline constexpr Index packed_panel = INT64_MIN;

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
  // C = alpha A B + beta C for one tile, m <= mr, n <= nr. A and B are panels as packed above
  // (depth stride packed_panel), or lie in place: A with any row stride and depth stride, B with
  // unit column stride and its row stride as depth stride. When beta is 0, C is not read. The sum
  // over k runs in one order, whatever the operands' layout and the tile's size.
  void (*tile)(Index k, const T* a, Index a_row_stride, Index a_depth_stride, const T* b,
               Index b_depth_stride, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
  void (*epilogue)(T* c, Index row_stride, Index m, Index n, const TileEpilogue<T>& epilogue);
};

// What is within 2 ulp is so for every finite number of the type; denormal results too.
template <class T>
struct ActivationKernel {
  // y = f(x) within 2 ulp, in place allowed.
  void (*forward)(const T* x, T* y, Index n, const double* parameters);
  // gradient = upstream * f'(x), f' within 2 ulp. gradient may equal x or upstream.
  void (*gradient)(const T* x, const T* upstream, T* gradient, Index n, const double* parameters);
  // The same from y = f(x) and cheaper, with an error of some epsilons absolute; null where
  // activation_info(kind).saves_input. gradient may equal y or upstream.
  void (*gradient_at_output)(const T* y, const T* upstream, T* gradient, Index n,
                             const double* parameters);
};

template <class T>
struct ActivationKernels {
  const ActivationKernel<T>* row[activation_count];
};

// PReLU, with a slope for each element.
template <class T>
struct PreluKernels {
  // y_i = x_i, or alpha_i x_i where x_i < 0; in place allowed.
  void (*forward)(const T* x, const T* alpha, T* y, Index n);
  // gradient = upstream where x > 0, else upstream * alpha; products = upstream * min(x, 0), which
  // are the parts of alpha's gradient. Either may be null; gradient may equal x or upstream.
  void (*gradient)(const T* x, const T* alpha, const T* upstream, T* gradient, T* products,
                   Index n);
};

// Rows are contiguous: row i starts at i * cols.
template <class T>
struct SoftmaxKernels {
  // In place allowed.
  void (*softmax)(const T* x, T* y, Index rows, Index cols);
  // gradient_j = y_j (upstream_j - sum_i upstream_i y_i) in each row; in place allowed.
  void (*gradient)(const T* y, const T* upstream, T* gradient, Index rows, Index cols);
  // Cross-entropy of each row of logits against its label (0 <= label < cols), in nats; `gradient`
  // (may be null, may equal logits) receives scale * (softmax(logits) - onehot(label)), and
  // predicted the index of the largest logit (the first of equals; the row's first NaN if there is
  // one, as numpy.argmax).
  void (*sparse_cross_entropy)(const T* logits, Index rows, Index cols, const std::int32_t* labels,
                               T scale, T* gradient, double* row_losses, std::int32_t* predicted);
  // The same for rows of weights in place of logits: -log of the label's share of the row's sum,
  // clipped to [1e-7, 1 - 1e-7]; the gradient is with respect to the weights, zero where clipped.
  void (*sparse_cross_entropy_from_probabilities)(const T* probabilities, Index rows, Index cols,
                                                  const std::int32_t* labels, T scale, T* gradient,
                                                  double* row_losses, std::int32_t* predicted);
};

// Columns of a rows x cols matrix: the statistics and the transforms of batch normalisation. A
// column's result depends on that column and on `rows` alone, and the error of a sum does not grow
// with them.
template <class T>
struct ColumnKernels {
  // sums[j] = sum_i x_ij.
  void (*sum)(const T* x, Index row_stride, Index rows, Index cols, T* sums);
  // Mean and biased variance of each column, rows > 0. `residual` is what the mean loses in being
  // rounded to T, which matters when it is large against the deviation.
  void (*moments)(const T* x, Index row_stride, Index rows, Index cols, T* mean, T* residual,
                  T* variance);
  // inverse_deviation = 1 / sqrt(variance + epsilon), scale = gamma * inverse_deviation and shift =
  // beta - residual * scale. gamma (1), beta (0) and residual (0) may be null. The outputs may be
  // written over the inputs, and scale over inverse_deviation if only scale is wanted.
  void (*prepare_normalize)(Index cols, const T* residual, const T* variance, const T* gamma,
                            const T* beta, T epsilon, T* inverse_deviation, T* scale, T* shift);
  // average = average * momentum + value * (1 - momentum).
  void (*move_average)(T* average, const T* value, Index cols, T momentum, T one_minus_momentum);
  // y = (x - mean_j) * scale_j + shift_j, in place allowed.
  void (*normalize)(const T* x, Index x_stride, T* y, Index y_stride, Index rows, Index cols,
                    const T* mean, const T* scale, const T* shift);
  // sum_upstream[j] = sum_i upstream_ij; sum_product[j] = sum_i upstream_ij (x_ij - mean_j)
  // inv_std_j.
  void (*normalize_gradient_sums)(const T* x, Index x_stride, const T* upstream,
                                  Index upstream_stride, Index rows, Index cols, const T* mean,
                                  const T* inverse_deviation, T* sum_upstream, T* sum_product);
  // What normalize_gradient needs: factor = gamma * inverse_deviation (gamma may be null: 1), and
  // the sums divided by rows.
  void (*prepare_normalize_gradient)(Index cols, Index rows, const T* gamma,
                                     const T* inverse_deviation, const T* sum_upstream,
                                     const T* sum_product, T* factor, T* mean_upstream,
                                     T* mean_product);
  // gradient = factor_j (upstream - mean_upstream_j - (x - mean_j) inv_std_j mean_product_j). In
  // place over upstream or x allowed.
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
  // m += (g - m) * one_minus_beta_1; v += (g^2 - v) * one_minus_beta_2; w -= rate * m / (sqrt(v) +
  // epsilon), where rate already holds the bias corrections.
  void (*adam)(T* w, const T* g, T* m, T* v, Index n, T rate, T one_minus_beta_1,
               T one_minus_beta_2, T epsilon);
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
  const PreluKernels<T>* prelu;
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
