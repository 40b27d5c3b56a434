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

enum class Activation : int { linear, relu, leaky_relu, elu, selu, sigmoid, tanh, silu };
inline constexpr int activation_count = 8;

// An activation with its parameters: relu takes none, leaky_relu its negative slope, elu its alpha.
struct ActivationSpec {
  Activation kind;
  double parameters[2];
};

// What layers draw in training: values to drop, or numbers to add or to multiply by.
enum class Noise : int { dropout, alpha_dropout, gaussian_noise, gaussian_dropout, rrelu };
inline constexpr int noise_count = 5;

// Noise with its parameters: a rate; of gaussian_noise the standard deviation; of rrelu the lowest
// and the highest slope.
struct NoiseSpec {
  Noise kind;
  double parameters[2];
};

}  // namespace unitgain
