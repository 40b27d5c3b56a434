// Rows of a user's array as contiguous rows of the network's type.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/network.hpp"

namespace unitgain::ops {

// out row i = array row order[first + i], or row first + i when order is null, for count rows of
// the array's columns, `out_stride` apart.
template <class T>
void gather_rows(const runtime::Team& team, const SampleArray& array, const Index* order,
                 Index first, Index count, T* out, Index out_stride);

}  // namespace unitgain::ops
