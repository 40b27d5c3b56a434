// Sums of a matrix's columns.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// sums[j] = sum_i x_ij, with an error that does not grow with the rows. The columns are split.
template <class T>
void column_sums(const runtime::Team& team, const T* x, Index row_stride, Index rows, Index cols,
                 T* sums);

}  // namespace unitgain::ops
