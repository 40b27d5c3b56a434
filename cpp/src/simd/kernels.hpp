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

#include <cstddef>
#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// What dropout keeps of a matrix: bit first + i * row_stride + j of `bits` says whether it keeps
// element (i, j), which is then multiplied by `scale`. A word beyond the last one is read.
template <class T>
struct DropoutMask {
  const std::uint64_t* bits;  // null: no dropout
  Index first;
  Index row_stride;
  T scale;
};

// What is done to a tile of C while it is still in L1, in this order:
//   c = c * scale[j] + bias[j]; z = c; y = dropout(activation(c)); c = c * derivative(saved);
//   column_sums[j] += sum_i c.
// Every pointer may be null (or the activation linear), which skips that step. Pointers are those
// of the tile's first element; per-column vectors start at the tile's first column.
template <class T>
struct TileEpilogue {
  const T* scale;  // one per column
  const T* bias;   // one per column
  ActivationSpec activation;
  DropoutMask<T> dropout;
  T* output;  // where the activated tile goes; null: in place, over C
  Index output_stride;
  const T*
      saved;  // what `derivative` is evaluated at (its output or its input, see activation.hpp)
  Index saved_stride;
  ActivationSpec derivative;
  T* column_sums;
};

// The depth stride that stands for a packed panel: no stride of an operand in place can be this.
inline constexpr Index packed_panel = INT64_MIN;

// A panel of B for a tile: packed, or in place.
template <class T>
struct RightPanel {
  const T* data;
  Index depth_stride;  // packed_panel, or the stride of rows of unit column stride
  T* packed;           // where a panel in place is packed on the way; null: nowhere
  // A panel in place that a later tile will read, to be fetched into the second-level cache
  // meanwhile: as deep as this one, its rows' stride. Null: none.
  const T* fetch;
  Index fetch_stride;
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
  // C = alpha A B + beta C for one tile, m <= mr, n <= nr. A is a panel as packed above (depth
  // stride packed_panel), or lies in place with any row stride and depth stride. When beta is 0, C
  // is not read. The sum over k runs in one order, whatever the operands' layout and the tile's
  // size.
  void (*tile)(Index k, const T* a, Index a_row_stride, Index a_depth_stride,
               const RightPanel<T>& b, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
  // C = alpha product + beta C, m x n.
  void (*store)(const T* product, Index product_stride, T alpha, T beta, T* c, Index c_row_stride,
                Index m, Index n);
  // Of one tile, m <= mr, n <= nr.
  void (*epilogue)(T* c, Index row_stride, Index m, Index n, const TileEpilogue<T>& epilogue);
};

// Products that a tile does not suit. When beta is 0, C is not read.
template <class T>
struct ThinGemmKernels {
  Index most_depth;  // of `shallow`

  // C = alpha A B + beta C of an A of at most most_depth columns, any size and strides: B and C
  // have unit column stride.
  void (*shallow)(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                  Index b_row_stride, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
  // C = alpha A B^T + beta C of m x k and n x k matrices with unit column stride, any size: for a
  // C of few rows or columns.
  void (*dots)(Index k, const T* a, Index a_stride, Index m, const T* b, Index b_stride, Index n,
               T alpha, T beta, T* c, Index c_row_stride, Index c_col_stride);
  // Copies the columns of the k x n matrix B, `stride` apart.
  void (*pack_columns)(const T* b, Index row_stride, Index col_stride, Index k, Index n, T* columns,
                       Index stride);
  // C += A B, m of at most most_thin_rows: reads the rows of B along memory, each once. B and C
  // have unit column stride. `far`: B is larger than the second-level cache holds.
  void (*add_rows)(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* b,
                   Index b_row_stride, bool far, T* c, Index c_row_stride, Index m, Index n);
  // C = alpha A B + beta C for a packed panel of B (GemmKernels::pack_b), m of at most
  // most_thin_rows, n of at most the panel's columns. C has unit column stride. `far`: as above, of
  // the panels that one thread multiplies.
  void (*panel)(Index k, const T* a, Index a_row_stride, Index a_col_stride, const T* panel,
                bool far, T alpha, T beta, T* c, Index c_row_stride, Index m, Index n);
};
// The most rows of `add_rows` and `panel`.
inline constexpr Index most_thin_rows = 4;

// The most rows of a split kernel's `thin_tile`.
inline constexpr Index most_thin_split_rows = 2;

// The exponents of a panel's values, as biased exponent fields of float (denormals: 0, infinity and
// NaN: 255): the least of the values that are not zero and the greatest of all. A panel of zeros
// has lowest 255 and highest 0.
struct ExponentRange {
  std::int32_t lowest;
  std::int32_t highest;
};

// Products of float matrices whose operands are packed as sums of bfloat16 terms: x = x1 + x2 + x3,
// each term the nearest to what those before it left. Panels are packed in whole steps of
// `depth_step`, with zeros beyond the matrix's edges.
struct SplitGemmKernels {
  Index mr;          // rows of the tile
  Index nr;          // columns of the tile
  Index depth_step;  // the packed depth is a multiple of it
  Index terms;       // of a value, 2 bytes each

  // Rows and columns below which GemmKernels are no slower.
  Index least_side;

  // What `tile` promises holds for a depth of least_depth ... most_depth and for panels whose
  // ranges a, b satisfy
  //   lowest_each <= a.lowest, lowest_each <= b.lowest, lowest_sum <= a.lowest + b.lowest,
  //   highest_each >= a.highest, highest_each >= b.highest, highest_sum >= a.highest + b.highest.
  // The instructions take denormals for zeros, and what lies beyond may overflow in the split.
  Index least_depth;
  Index most_depth;
  std::int32_t lowest_each;
  std::int32_t highest_each;
  std::int32_t lowest_sum;
  std::int32_t highest_sum;

  // Pack the m x k matrix A into ceil(m / mr) panels, or the k x n matrix B into ceil(n / nr). A
  // panel takes its width * (k rounded up to depth_step) * terms * 2 bytes, and starts at a
  // multiple of 64. ranges: one for each panel, or null.
  void (*pack_a)(const float* a, Index row_stride, Index col_stride, Index m, Index k,
                 std::byte* packed, ExponentRange* ranges);
  void (*pack_b)(const float* b, Index row_stride, Index col_stride, Index k, Index n,
                 std::byte* packed, ExponentRange* ranges);
  // The sums of the terms of a panel of B, k x n.
  void (*unpack_b)(const std::byte* packed, Index k, Index n, float* b, Index row_stride,
                   Index col_stride);
  // The product of a panel of A and a panel of B, m x n of it (m <= mr, n <= nr; more may be
  // written), to `product`, whose rows are nr apart.
  void (*tile)(Index k, const std::byte* a, const std::byte* b, Index m, Index n, float* product);
  // Both for an A of at most most_thin_split_rows rows: its panel is packed in an order of its own,
  // and the sums may run in another.
  void (*pack_thin_a)(const float* a, Index row_stride, Index col_stride, Index m, Index k,
                      std::byte* packed, ExponentRange* range);
  void (*thin_tile)(Index k, const std::byte* a, const std::byte* b, Index m, Index n,
                    float* product);
  // Around a thread's calls of `tile`.
  void (*begin)();
  void (*end)();
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

// Along rows, which are contiguous (row i starts at i * cols), or along an axis of `length` steps
// of `stride` elements, for `width` neighbours at once. In place allowed. An entry of -inf is
// masked: its probability is 0, and so is its gradient. A row with NaN or +inf, or with -inf alone,
// becomes NaN.
template <class T>
struct SoftmaxKernels {
  void (*softmax)(const T* x, T* y, Index rows, Index cols);
  // y = x - max - log1p(rest), rest being the sum of exp(x - max) without the maximum.
  void (*log_softmax)(const T* x, T* y, Index rows, Index cols);
  // gradient_j = y_j (upstream_j - sum_i upstream_i y_i), y being the softmax.
  void (*gradient)(const T* y, const T* upstream, T* gradient, Index rows, Index cols);
  // gradient_j = upstream_j - exp(y_j) sum_i upstream_i, y being the log-softmax.
  void (*log_gradient)(const T* y, const T* upstream, T* gradient, Index rows, Index cols);

  void (*softmax_axis)(const T* x, T* y, Index length, Index stride, Index width);
  void (*log_softmax_axis)(const T* x, T* y, Index length, Index stride, Index width);
  void (*gradient_axis)(const T* y, const T* upstream, T* gradient, Index length, Index stride,
                        Index width);
  void (*log_gradient_axis)(const T* y, const T* upstream, T* gradient, Index length, Index stride,
                            Index width);
};

// What a network's outputs are compared with, row by row (contiguous rows). A loss takes labels or
// targets, as takes_labels of loss_info says.
template <class T>
struct LossRows {
  const T* outputs;
  const T* targets;            // target_cols(...) in each row
  const std::int32_t* labels;  // one a row, 0 <= label < cols or the ignored class
  Index rows;
  Index cols;
  T scale;              // of every gradient
  const T* row_scales;  // a further factor of each row's gradient; null: 1
  // scale * row_scales[i] * d(loss of row i) / d(outputs); null if not wanted, may equal outputs.
  T* gradient;
  double* row_losses;  // without the scales
  // The index of each row's largest output: the first of equals; the row's first NaN if there is
  // one, as numpy.argmax. Null if not wanted; of the losses that take labels alone.
  std::int32_t* predicted;
};

template <class T>
using LossKernel = void (*)(const LossSpec& spec, const LossRows<T>& rows);

template <class T>
struct LossKernels {
  LossKernel<T> row[kernel_loss_count];
  // In place of a loss, the share of the row's outputs that are above the spec's delta where their
  // target is 1, and not where it is 0.
  LossKernel<T> binary_accuracy;
  // indices[i] = numpy.argmax of row i.
  void (*argmax)(const T* x, Index rows, Index cols, std::int32_t* indices);
};

// sum_i values_i weights_i with an error that does not grow with n; weights may be null: 1.
using WeightedSum = double (*)(const double* values, const double* weights, Index n);

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
  // sum_upstream[j] = sum_i upstream_ij; sum_product[j] = sum_i upstream_ij (x_ij - mean_j -
  // residual_j) inv_std_j.
  void (*normalize_gradient_sums)(const T* x, Index x_stride, const T* upstream,
                                  Index upstream_stride, Index rows, Index cols, const T* mean,
                                  const T* residual, const T* inverse_deviation, T* sum_upstream,
                                  T* sum_product);
  // What normalize_gradient needs: factor = gamma * inverse_deviation (gamma may be null: 1), and
  // the sums divided by rows.
  void (*prepare_normalize_gradient)(Index cols, Index rows, const T* gamma,
                                     const T* inverse_deviation, const T* sum_upstream,
                                     const T* sum_product, T* factor, T* mean_upstream,
                                     T* mean_product);
  // gradient = factor_j (upstream - mean_upstream_j - (x - mean_j - residual_j) inv_std_j
  // mean_product_j). In place over upstream or x allowed.
  void (*normalize_gradient)(const T* x, Index x_stride, const T* upstream, Index upstream_stride,
                             T* gradient, Index gradient_stride, Index rows, Index cols,
                             const T* mean, const T* residual, const T* inverse_deviation,
                             const T* factor, const T* mean_upstream, const T* mean_product);
};

// Layer normalisation: rows of a contiguous rows x cols matrix, cols > 0. A row's result depends on
// that row and the parameters alone.
template <class T>
struct RowKernels {
  // With the row's mean and biased variance: y = (x - mean) inverse_deviation gamma_j + beta_j,
  // inverse_deviation = 1 / sqrt(variance + epsilon). gamma (1) and beta (0) may be null. Mean
  // (with what it lost in being rounded) and inverse_deviation are kept for the gradient. In place
  // allowed.
  void (*normalize)(const T* x, T* y, Index rows, Index cols, const T* gamma, const T* beta,
                    T epsilon, T* mean, T* residual, T* inverse_deviation);
  // With n = (x - mean - residual) inverse_deviation and g = upstream gamma_j: gradient =
  // inverse_deviation (g - mean_j g - n mean_j (g n)). In place over upstream or x allowed.
  void (*gradient)(const T* x, const T* upstream, T* gradient, Index rows, Index cols,
                   const T* gamma, const T* mean, const T* residual, const T* inverse_deviation);
  // sum_product[j] = sum_i upstream_ij n_ij, sum_upstream[j] = sum_i upstream_ij.
  void (*parameter_sums)(const T* x, const T* upstream, Index rows, Index cols, const T* mean,
                         const T* residual, const T* inverse_deviation, T* sum_product,
                         T* sum_upstream);
};

// The optimizers' updates of weights w from gradients g, with what each keeps in its slots between
// steps (from the first on) and the factors that it reads beside `rate`. x += (y - x) c is a moving
// average. nn/update_rule.hpp has the sources.
enum class Update : int {
  average,           // w stays as it is
  sgd,               // w -= rate g
  momentum,          // v = momentum v - rate g; w += v
  nesterov,          // v as before; w += momentum v - rate g
  adagrad,           // a += g^2; w -= rate g / sqrt(a + epsilon)
  adadelta,          // a += (g^2 - a) one_minus_beta_2; d = g sqrt((b + epsilon) / (a + epsilon));
                     // b += (d^2 - b) one_minus_beta_2; w -= rate d
  rmsprop,           // v += (g^2 - v) one_minus_beta_2; w -= rate g / sqrt(v + epsilon)
  rmsprop_momentum,  // v; p = momentum p + rate g / sqrt(v + epsilon); w -= p
  rmsprop_centered,  // v; a += (g - a) one_minus_beta_2; w -= rate g / sqrt(v - a^2 + epsilon)
  rmsprop_centered_momentum,  // v; p; a
  adam,  // m += (g - m) one_minus_beta_1; v += (g^2 - v) one_minus_beta_2; w -= rate m / (sqrt(v) +
         // epsilon)
  amsgrad,        // m; v; u = max(u, v); w -= rate m / (sqrt(u) + epsilon)
  adamax,         // m; u = max(u - u one_minus_beta_2, |g|); w -= rate m / (u + epsilon)
  nadam,          // m; v; w -= (rate m + gradient_rate g) / (sqrt(v) + epsilon)
  lion,           // w -= rate sign(m + (g - m) one_minus_beta_1); m += (g - m) one_minus_beta_2
  muon,           // m = momentum m + g; w = m
  muon_nesterov,  // m as before; w = momentum m + g
  lamb,           // m; v; w = rate m / (sqrt(v) + epsilon)
  ftrl,           // n += g^2; z += g + 2 shrinkage w - (change of n^power) / rate w;
                  // w = (z into [-l1, l1] - z) / ((n^power + beta) / rate + 2 l2)
  gradient,       // w = g
  adafactor,      // v += (g^2 + epsilon - v) one_minus_beta_2; w = g / sqrt(v)
};
inline constexpr int update_count = 21;

template <class T>
struct UpdateArrays {
  T* w;
  const T* g;  // of `average` alone it may be null
  T* slots[3];
  T* average;  // of the weights; null: not kept
};

template <class T>
struct UpdateFactors {
  T rate;
  T gradient_rate;
  T momentum;
  T one_minus_beta_1;  // 1 - beta_1
  T one_minus_beta_2;  // 1 - beta_2, 1 - rho
  T epsilon;
  // What precedes the rule: g = g * scale[0] * scale[1], then into [-clip, clip] (0: as it is);
  // w -= w * decay.
  T scale[2];
  T clip;
  T decay;
  // What follows it: average += (w - average) * average_rest; w = average if `overwrite`.
  T average_rest;
  bool overwrite;
  // Of ftrl.
  T power;
  T beta;
  T l1;
  T l2;
  T shrinkage;
};

template <class T>
struct OptimizerKernels {
  struct Row {
    void (*plain)(const UpdateArrays<T>& arrays, Index n, const UpdateFactors<T>& factors);
    // With what precedes and follows the rule, all in one pass over memory.
    void (*full)(const UpdateArrays<T>& arrays, Index n, const UpdateFactors<T>& factors);
  };
  Row row[update_count];  // by Update
  // sum_i (scale x_i)^2, added up in double precision.
  double (*sum_of_squares)(const T* x, Index n, double scale);
};

// gradient = (g + l1 sign(w) + 2 l2 w + sum) * scale, sign(0) = 0.
template <class T>
struct PenaltyArrays {
  const T* w;
  const T* g;
  const T* sum;  // null: 0
  T* gradient;   // may equal g or sum
};
template <class T>
struct PenaltyFactors {
  T l1;
  T l2;
  T scale;
};

// What penalties and constraints make of weights.
template <class T>
struct WeightKernels {
  // sums[0] = sum_i |w_i| and sums[1] = sum_i w_i^2, added up in double precision.
  void (*magnitudes)(const T* w, Index n, double* sums);
  void (*penalize)(const PenaltyArrays<T>& arrays, Index n, const PenaltyFactors<T>& factors);
  void (*non_negative)(T* w, Index n);  // w = max(w, 0), and a NaN remains
  // squares[j] = sum_i w_ij^2. A column's depends on that column and on `rows` alone.
  void (*column_squares)(const T* w, Index row_stride, Index rows, Index cols, T* squares);
  void (*scale_columns)(T* w, Index row_stride, Index rows, Index cols, const T* factors);
};

// Where the random words of n values come from: position first + i of a stream of a key. The words
// are Philox4x32-10's, in groups of 64 positions that share 16 counters: with g = p / 64, position
// p has word p % 64 / 16 of the counter {low(c), high(c), low(stream), high(stream)}, c = 16 g + p
// % 16.
inline constexpr int noise_group = 64;
struct RandomPlace {
  std::uint64_t key;
  std::uint64_t stream;
  std::uint64_t first;
};

// What ops/noise.hpp makes of a NoiseSpec.
template <class T>
struct NoiseSettings {
  std::uint32_t threshold;  // words from it on are kept
  T scale;
  T shift;
  T dropped;  // what stands in the place of a value that is dropped
};

// With w the word of i's position, u = (floor(w / 2) + 1/2) / 2^31, and z the standard normal that
// the words of its group give:
//   dropout           y = w >= threshold ? x scale : 0
//   alpha_dropout     y = w >= threshold ? x scale + shift : dropped
//   gaussian_noise    y = x + (z scale + shift)
//   gaussian_dropout  y = x (z scale + shift)
//   rrelu             y = x < 0 ? x (u scale + shift) : x
template <class T>
struct NoiseKernel {
  // In place allowed.
  void (*forward)(const T* x, T* y, Index n, const RandomPlace& place,
                  const NoiseSettings<T>& settings);
  // gradient = upstream dy/dx; x is read by rrelu alone, but is to be n values for all. gradient
  // may equal x or upstream.
  void (*gradient)(const T* x, const T* upstream, T* gradient, Index n, const RandomPlace& place,
                   const NoiseSettings<T>& settings);
};

template <class T>
struct NoiseKernels {
  NoiseKernel<T> row[noise_count];
  // Bit i of word g: whether the word of position place.first + 64 g + i reaches the threshold.
  // place.first is a multiple of 64.
  void (*keep_bits)(std::uint64_t* bits, Index groups, const RandomPlace& place,
                    std::uint32_t threshold);
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
  // a_j -= x[0] weights[0][j] + x[1] weights[1][j] for columns a_0 ... that are `stride` apart, and
  // dots[j] = y . a_j.
  void (*turn_columns)(T* a, Index stride, Index n, Index columns, const T* const* x,
                       const T* const* weights, const T* y, T* dots);
  // sum = weights[0] a_0 + weights[1] a_1 + ...
  void (*combine_columns)(const T* a, Index stride, Index n, Index columns, const T* weights,
                          T* sum);
};

// The root s of a secular equation as s^2 = origin^2 + shift, so that the differences of squares
// d_j^2 - s^2 = (d_j - origin) (d_j + origin) - shift are accurate for d_j near s.
struct SecularRoot {
  double origin;
  double shift;
};

// Sums over the poles d_j of a secular equation, see linalg/secular.hpp.
struct SecularKernels {
  // sums[0] = the sum of z2_j / (d_j^2 - s^2), sums[1] = that of z2_j / (d_j^2 - s^2)^2.
  void (*sums)(const double* d, const double* z2, SecularRoot root, Index n, double* sums);
  // products_j *= (d_j^2 - s^2) / (d_j^2 - pole^2).
  void (*multiply)(const double* d, SecularRoot root, double pole, double* products, Index n);
  // right_j = z_j / (d_j^2 - s^2), left_j = d_j right_j, and the sums of their squares.
  void (*vectors)(const double* d, const double* z, SecularRoot root, Index n, double* left,
                  double* right, double* squares);
};

// Decompositions of many small matrices at once: simd/small_linalg.hpp.
template <class T>
struct SmallLinalgKernels;

template <class T>
struct Kernels {
  const GemmKernels<T>* gemm;
  const ThinGemmKernels<T>* thin_gemm;
  const ActivationKernels<T>* activation;
  const PreluKernels<T>* prelu;
  const SoftmaxKernels<T>* softmax;
  const LossKernels<T>* loss;
  const ColumnKernels<T>* column;
  const RowKernels<T>* row;
  const OptimizerKernels<T>* optimizer;
  const WeightKernels<T>* weight;
  const NoiseKernels<T>* noise;
  const VectorKernels<T>* vector;
  const SmallLinalgKernels<T>* small_linalg;
};

// A loop of one instruction, in `operations` (floating-point ones) a step; null where the variant
// lacks the instruction.
struct PeakLoop {
  void (*run)(Index steps);
  Index operations;
};

// What measures how fast the machine can compute and read at best.
struct PeakKernels {
  PeakLoop multiply_adds_f32;
  PeakLoop multiply_adds_f64;
  PeakLoop dot_products;   // of pairs of bfloat16; the CPU may lack it: runtime::has_avx512_bf16()
  PeakLoop tile_products;  // of tiles of bfloat16
  // Reads n floats, n a multiple of 128, and returns something of them.
  float (*read)(const float* x, Index n);
};

struct KernelTable {
  Kernels<float> f32;
  Kernels<double> f64;
  WeightedSum weighted_sum;
  // By Precision; null where `gemm` of f32 is no slower. Only for CPUs with AVX512_BF16, see
  // runtime::split_kernels.
  const SplitGemmKernels* split[precision_count];
  const PeakKernels* peak;
  const SecularKernels* secular;
};

}  // namespace unitgain::simd
