// Losses.
#pragma once

#include <cstdint>

#include "unitgain/rows/loss.hpp"
#include "unitgain/types.hpp"

namespace unitgain::simd {

// A network's outputs and their targets, row by row (contiguous rows). A loss takes labels or
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
};

}  // namespace unitgain::simd
