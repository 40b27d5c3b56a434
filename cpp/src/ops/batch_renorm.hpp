// Batch normalisation by a batch's statistics that are corrected: taken over the rows that a mask
// keeps, brought close to the moving ones (batch renormalisation), or both.
// Source: Ioffe, "Batch renormalization: towards reducing minibatch dependence in batch-normalized
// models", NIPS 2017.
//
// As in ops/batch_norm.hpp, the team splits the columns, and there is no barrier inside.
#pragma once

#include "ops/normalization.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// One value a column of each: the mean and deviation that batches are brought close to, with their
// momentum; the moving deviation beside the moving statistics, of which the moving variance is
// made; and the bounds of the corrections r and d.
template <class T>
struct Renormalization {
  T* mean;
  T* deviation;
  T* moving_deviation;
  double momentum;
  T least_r, most_r, most_d;
};

// What is corrected. `mask` has a value a row, which is kept if that is above 1/2; null: all are.
// `rows` is scratch for the rows kept, as large as x, where there is a mask. Without
// renormalisation (mean is null) r and d, a value a column, are not used.
template <class T>
struct BatchCorrections {
  const T* mask;
  T* rows;
  Renormalization<T> renorm;
  T* r;
  T* d;
};

// y = gamma ((x - mean) / sqrt(variance + epsilon) r + d) + beta; y may be x. With s =
// sqrt(variance
// + epsilon), s' the greater of the deviation and sqrt(epsilon), and m' the mean: r = s / s' and d
// = (mean - m') / s', within the bounds. The moving statistics move unless they are null, and so do
// m' and s'. A batch of which no row is kept has mean and variance 0. `scale` is scratch for cols
// values.
template <class T>
void batch_norm_train_corrected(const runtime::Team& team, const T* x, T* y, Index rows, Index cols,
                                const NormParameters<T>& parameters, double momentum,
                                const MovingStatistics<T>& moving, const NormStatistics<T>& kept,
                                const BatchCorrections<T>& corrections, T* scale);

// The gradients, r and d being constants, as they are in the source and in Keras. `scratch` holds 4
// cols values.
template <class T>
void batch_norm_gradient_corrected(const runtime::Team& team, const T* x, const T* upstream,
                                   Index rows, Index cols, const T* gamma,
                                   const NormStatistics<const T>& kept,
                                   const BatchCorrections<T>& corrections,
                                   const NormGradients<T>& gradients, T* scratch);

}  // namespace unitgain::ops
