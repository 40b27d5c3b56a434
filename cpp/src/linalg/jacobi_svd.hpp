// One-sided Jacobi: rotates pairs of columns until all are orthogonal.
#pragma once

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

// The record of one thread of the team in one sweep.
struct alignas(64) SweepRecord {
  double cosine;  // the largest cosine of an angle between two columns, before its rotation
  double
      movement;  // the largest part of one column that a rotation added to another, relative to it
};

// Columns are padded with zeros to whole cache lines.
template <class T>
struct JacobiProblem {
  Columns<T> x;          // becomes X J, with orthogonal columns
  Columns<T> rotations;  // becomes (rotations) J; data may be null
  double* squares;       // x.count values: the squared norms of the columns of X J
  SweepRecord* records;  // two for each thread of the team
};

// Columns whose squared norm is below this are taken for zero: the inner product of two of them
// could be lost to underflow. Scale the matrix so that its largest entries are near
// 2^scaled_exponent, where sums of squares, and in double their products, are far from overflow.
template <class T>
inline constexpr double negligible_square = 0x1p-480;
template <>
inline constexpr double negligible_square<float> = 0x1p-102;
template <class T>
inline constexpr int scaled_exponent = 200;
template <>
inline constexpr int scaled_exponent<float> = 40;

// Finds the orthogonal J that makes the columns of X J orthogonal up to rounding; longer columns
// tend to the front. No finite X fails. Ends with a barrier.
template <class T>
void orthogonalize(const runtime::Team& team, const JacobiProblem<T>& problem);

}  // namespace unitgain::linalg
