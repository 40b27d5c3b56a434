// The arrays that the normalisations share.
#pragma once

#include <type_traits>

namespace unitgain::ops {

// One value of gamma and beta a column; either may be null, which means 1 and 0.
template <class T>
struct NormParameters {
  const T* gamma;
  const T* beta;
  T epsilon;
};

// One value a column in batch normalisation, a row in layer normalisation: the mean, what it lost
// in being rounded, and 1 / sqrt(variance + epsilon). The forward pass keeps them for the gradient.
template <class T>
struct NormStatistics {
  T* mean;
  T* residual;
  T* inverse_deviation;

  operator NormStatistics<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {mean, residual, inverse_deviation};
  }
};

// Batch normalisation's averages over the batches, one value a column.
template <class T>
struct MovingStatistics {
  T* mean;
  T* variance;
};

// Where the gradients go: of the rows x cols inputs, and of the parameters.
template <class T>
struct NormGradients {
  T* x;
  T* gamma;
  T* beta;
};

}  // namespace unitgain::ops
