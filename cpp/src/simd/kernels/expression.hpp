// Functions of single elements, and reductions of rows, over blocks that lie in a core's cache:
// what expressions (ops/expression.hpp) are made of. The rows name each function once.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::simd {

// Conditions are 1 or 0, and any number but 0 is true.
#define UNITGAIN_UNARY_FUNCTIONS(ROW) \
  ROW(negative)                       \
  ROW(abs)                            \
  ROW(square)                         \
  ROW(sqrt)                           \
  ROW(rsqrt)                          \
  ROW(reciprocal)                     \
  ROW(log)                            \
  ROW(log1p)                          \
  ROW(sign)                           \
  ROW(floor)                          \
  ROW(ceil)                           \
  ROW(round)                          \
  ROW(trunc)                          \
  ROW(logical_not)                    \
  ROW(isnan)                          \
  ROW(isfinite)                       \
  ROW(isinf)

// maximum and minimum: NaN if either is.
#define UNITGAIN_BINARY_FUNCTIONS(ROW) \
  ROW(add)                             \
  ROW(subtract)                        \
  ROW(multiply)                        \
  ROW(divide)                          \
  ROW(maximum)                         \
  ROW(minimum)                         \
  ROW(equal)                           \
  ROW(not_equal)                       \
  ROW(less)                            \
  ROW(less_equal)                      \
  ROW(greater)                         \
  ROW(greater_equal)                   \
  ROW(logical_and)                     \
  ROW(logical_or)

// n elements, or one that stands for all.
template <class T>
struct Operand {
  const T* data;
  bool single;
};

template <class T>
using UnaryFunction = void (*)(const T* x, T* y, Index n);
template <class T>
using BinaryFunction = void (*)(Operand<T> a, Operand<T> b, T* y, Index n);

// In place allowed; rows are contiguous.
template <class T>
struct ExpressionKernels {
#define UNITGAIN_FUNCTION(name) UnaryFunction<T> name;
  UNITGAIN_UNARY_FUNCTIONS(UNITGAIN_FUNCTION)
#undef UNITGAIN_FUNCTION
#define UNITGAIN_FUNCTION(name) BinaryFunction<T> name;
  UNITGAIN_BINARY_FUNCTIONS(UNITGAIN_FUNCTION)
#undef UNITGAIN_FUNCTION
  // y = condition ? a : b.
  void (*where)(Operand<T> condition, Operand<T> a, Operand<T> b, T* y, Index n);
  // Of each row of cols > 0 elements one: not in place. NaN if one of them is.
  void (*sum)(const T* x, T* y, Index rows, Index cols);
  void (*max)(const T* x, T* y, Index rows, Index cols);
  void (*min)(const T* x, T* y, Index rows, Index cols);
  // The place of the first that is the largest; of a NaN, if there is one.
  void (*argmax)(const T* x, T* y, Index rows, Index cols);
  // y_ij = x_i, and y_ij = x_j.
  void (*spread_rows)(const T* x, T* y, Index rows, Index cols);
  void (*spread_columns)(const T* x, T* y, Index rows, Index cols);
  // sums_j += sum_i x_ij.
  void (*add_columns)(const T* x, T* sums, Index rows, Index cols);
};

}  // namespace unitgain::simd
