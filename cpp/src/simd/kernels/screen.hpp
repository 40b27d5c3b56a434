// The nearest centres by products of 16-bit integers, which are off by a bound that is known.
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// Rows of 16-bit integers have a stride of a multiple of this, with zeros behind the values.
inline constexpr Index screen_step = 32;
inline constexpr Index most_screened = 1024;  // the longest rows
// Of a panel of centres, which holds for each pair of columns in turn the pair of each centre.
inline constexpr Index screen_panel = 8;
// Samples that nearest_two takes at a time.
inline constexpr Index screen_rows = 48;

// Centres as nearest_two wants them, up to a multiple of screen_panel: x.c_j is near
// -steps_j / 2 times the sample's scale times the product of the integers.
struct ScreenCenters {
  const std::int32_t* panels;
  const float* offsets;  // ||c_j||^2, and infinity behind the last
  const float* steps;
  Index clusters;
};

// Only for CPUs with AVX512_VNNI, see runtime::has_avx512_vnni.
template <class T>
struct ScreenKernels {
  // scales_i to_i near x_i - shift: ||to_i|| is at most most_norm and no value above 32000 but for
  // the rounding to integers. norms_i = ||x_i - shift||, and errors_i bounds what the integers are
  // off by, from above. cols <= most_screened.
  void (*quantize)(const T* x, Index row_stride, const T* shift, Index rows, Index cols,
                   float most_norm, std::int16_t* to, Index to_stride, float* scales, float* norms,
                   float* errors);
  // As ClusterKernels::nearest_two, of the rows x of which order[...] has the numbers, all of them
  // in order if it is null. scales has one for each of `rows`; panel has room for screen_rows times
  // x_stride / 2 values.
  void (*nearest_two)(const std::int16_t* x, Index x_stride, const std::int32_t* order, Index rows,
                      Index cols, const float* scales, const ScreenCenters& centers,
                      std::int32_t* panel, std::int32_t* labels, float* values, float* seconds);
};

}  // namespace unitgain::simd
