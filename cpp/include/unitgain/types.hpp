// Plain types shared by the public API and the kernels. No inline function may be added here: the
// kernels' sources include this file under flags for newer CPUs (see docs/kernels.md).
#pragma once

#include <cstdint>

namespace unitgain {

using Index = std::int64_t;

// A matrix in memory that somebody else owns: element (i, j) is data[i * row_stride + j *
// col_stride]. Strides count elements and may be zero or negative.
template <class T>
struct MatrixView {
  T* data;
  Index rows;
  Index cols;
  Index row_stride;
  Index col_stride;
};

// How exact the products of float32 matrices are, PyTorch's vocabulary. highest: the error bound of
// sums in float32 arithmetic, for every finite input; high: about 4e-6 relative to the magnitudes
// multiplied; medium: operands rounded to bfloat16, sums in float32. A machine may do better than
// asked for, where that is faster.
enum class Precision : int { highest, high, medium };
inline constexpr int precision_count = 3;

// The values of these stand in unitgain/rows/, and a file that names one includes it from
// there: so a new one is compiled where it matters.
enum class Activation : int;
enum class Noise : int;
enum class LossKind : int;

// An activation with its parameters, in the order of activation_info(kind).parameter_names.
struct ActivationSpec {
  Activation kind;
  double parameters[3];
};

// Noise with its parameters: a rate; of gaussian_noise the standard deviation; of rrelu the lowest
// and the highest slope.
struct NoiseSpec {
  Noise kind;
  double parameters[2];
};

}  // namespace unitgain
