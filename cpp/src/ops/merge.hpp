// Arrays merged value by value. The loops are bound by memory: they are the compiler's own vectors,
// of the instructions that every machine has.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::ops {

// merged_i of x_i and y_i; it may be either array. A NaN is the maximum, and the minimum.
template <class T>
using Merge = void (*)(const T* x, const T* y, T* merged, Index n);
template <class T>
void multiply(const T* x, const T* y, T* product, Index n);
template <class T>
void maximum(const T* x, const T* y, T* larger, Index n);
template <class T>
void minimum(const T* x, const T* y, T* smaller, Index n);

// counts_i += 1 where x_i is y_i, or NaN; and what those get of a gradient that they share:
// upstream_i / counts_i, the others 0.
template <class T>
void count_equal(const T* x, const T* y, T* counts, Index n);
template <class T>
void share_equal(const T* x, const T* y, const T* counts, const T* upstream, T* gradient, Index n);

}  // namespace unitgain::ops
