// Samples in memory, and how a training pass makes new ones of them.
#pragma once

#include <cstdint>
#include <span>

#include "unitgain/types.hpp"

namespace unitgain {

enum class ElementType { float32, float64, int32, int64, uint8 };

// Samples in memory, one a row, in any of the element types and with any strides, in bytes.
struct SampleArray {
  const void* data;
  ElementType type;
  Index rows;
  Index cols;
  Index row_stride;
  Index col_stride;
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
};

// Throws ValueError for an alpha that is not above 0, images that do not make the rows of x, or
// cuts from several inputs.
void check_mix(const Samples& samples);

}  // namespace unitgain
