// Samples in memory, and how a training pass makes new ones of them.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "unitgain/types.hpp"

namespace unitgain {

enum class ElementType { float32, float64, int32, int64, uint8 };

// The element type of a C++ type, of those that have one.
template <class T>
  requires(std::floating_point<T> || std::integral<T>)
constexpr ElementType element_type_of() {
  constexpr bool known = std::floating_point<T> ? sizeof(T) == 4 || sizeof(T) == 8
                         : std::is_signed_v<T>  ? sizeof(T) == 4 || sizeof(T) == 8
                                                : sizeof(T) == 1 && !std::same_as<T, bool>;
  static_assert(known, "samples are float, double, of 32 or 64 bits with a sign, or bytes");
  if (std::floating_point<T>) return sizeof(T) == 4 ? ElementType::float32 : ElementType::float64;
  if (!std::is_signed_v<T>) return ElementType::uint8;
  return sizeof(T) == 4 ? ElementType::int32 : ElementType::int64;
}

// Samples in memory, one a row, in any of the element types and with any strides, in bytes.
struct SampleArray {
  SampleArray() = default;
  SampleArray(const void* samples, ElementType element_type, Index row_count, Index col_count,
              Index bytes_between_rows, Index bytes_between_cols)
      : data(samples),
        type(element_type),
        rows(row_count),
        cols(col_count),
        row_stride(bytes_between_rows),
        col_stride(bytes_between_cols) {}
  // Rows one behind the other.
  template <class T>
  SampleArray(const T* samples, Index row_count, Index col_count)
      : SampleArray(samples, element_type_of<T>(), row_count, col_count,
                    col_count * static_cast<Index>(sizeof(T)), static_cast<Index>(sizeof(T))) {}

  const void* data = nullptr;
  ElementType type = ElementType::float32;
  Index rows = 0;
  Index cols = 0;
  Index row_stride = 0;
  Index col_stride = 0;
};

// How a training pass makes new samples: of each and another, drawn evenly from all of the pass,
// inputs and targets alike. What is drawn depends on key, training step and place in the batch.
enum class Mixing {
  none,
  blend,     // share * sample + (1 - share) * other
  features,  // each value is the other's with probability 1 - share
  box,       // the other's within a box of (1 - share) of an image's area
};
struct MixSpec {
  Mixing kind = Mixing::none;
  double alpha = 1;             // shares are drawn from Beta(alpha, alpha)
  std::uint64_t key = 0;        // of the random numbers; their stream is the training step
  Index height = 0, width = 0;  // of an image; a row holds them with the channels last
};

// The expected outputs: class labels or target values, whichever loss_info says.
struct Target {
  const std::int32_t* labels = nullptr;  // one a row of the output
  SampleArray values = {};
  const double* weights = nullptr;  // of the loss of each row of the output; null: 1
};

// Inputs and what the network should make of them.
struct Samples {
  std::span<const SampleArray> x;  // of each input, all of as many rows
  std::span<const Target> y = {};  // of each output
  const Index* order = nullptr;    // the rows in the order of use; null: as they come
  Index count = 0;                 // how many rows are used: all of x, or all of `order`
  MixSpec mix = {};                // of a training pass with target values
  bool stops_at_nan = false;       // whether a training pass ends when its loss is not finite
  // Of a network that is distributed, if each process has its own rows of one batch alone: the
  // place of the first in the batch, and the rows of the batch; 0: these are all.
  Index place = 0, whole = 0;
};

// Throws ValueError for an alpha that is not above 0, images that do not make the rows of x, or
// cuts from several inputs.
void check_mix(const Samples& samples);

}  // namespace unitgain
