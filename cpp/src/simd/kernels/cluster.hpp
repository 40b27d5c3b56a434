// Kernels of k-means.
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain::simd {

// The longest rows of ClusterKernels::nearest_short.
inline constexpr Index most_short = 16;

template <class T>
struct ScreenKernels;

// Steps of k-means on a block of samples, `rows` of them, `x_stride` apart, beside the products
// with the centres.
template <class T>
struct ClusterKernels {
  // to_i = x_i - shift, and squares_i = ||to_i||^2. A row's result depends on that row alone.
  void (*center)(const T* x, Index row_stride, Index col_stride, const T* shift, Index rows,
                 Index cols, T* to, Index to_stride, T* squares);
  // The least offsets_j - 2 products_ij of each row: which j, the first of equals, and how much.
  // cols > 0; where a NaN stands it counts as infinite.
  void (*nearest)(const T* products, Index row_stride, Index rows, Index cols, const T* offsets,
                  std::int32_t* labels, T* values);
  // The same with the least of the others in `seconds`, infinity if there is one column.
  void (*nearest_two)(const T* products, Index row_stride, Index rows, Index cols, const T* offsets,
                      std::int32_t* labels, T* values, T* seconds);
  // The same of rows of at most `most_short` values in one pass: of x_i - shift, whose squares are
  // written, and centres without the shift, `clusters` rows without gaps. Returns whether a row has
  // seconds_i - values_i <= share (squares_i + largest_square).
  bool (*nearest_short)(const T* x, Index row_stride, Index rows, Index cols, const T* shift,
                        const T* centers, Index clusters, const T* offsets, T share,
                        T largest_square, std::int32_t* labels, T* values, T* seconds, T* squares);
  // Bounds of each sample's distance from its nearest centre, from above, and from the others, from
  // below: of what nearest_two found and ||x_i||^2, whose sum with it is d^2 but for an error of at
  // most error (||x_i|| + radius)^2. They leave room for such errors in later distances too, see
  // cluster/lloyd.cpp.
  void (*bounds)(const T* values, const T* seconds, const T* squares, Index n, T radius, T error,
                 T* uppers, T* lowers);
  // uppers_i += rises_l and lowers_i -= falls_l of l = labels_i, rounded outwards. Returns how many
  // samples have an upper bound that is not below the lower one nor below halves_l, with their
  // numbers from `first` on in `open`, which has room for n.
  Index (*move_bounds)(T* uppers, T* lowers, const std::int32_t* labels, const T* rises,
                       const T* falls, const T* halves, Index n, Index first, std::int32_t* open);
  // to_ij = ||x_i - c_j||^2 from the products, or from the differences where the products would
  // leave few digits. squares_i = ||x_i||^2, offsets_j = ||c_j||^2, `depth` the values of an x_i;
  // in place allowed.
  void (*squared_distances)(const T* products, Index row_stride, Index rows, Index cols,
                            const T* squares, const T* offsets, const T* x, Index x_stride,
                            const T* centers, Index centers_stride, Index depth, T* to,
                            Index to_stride);
  // sums_j += sum_i weights_i min(least_i, squares_ij); weights (1) may be null.
  void (*potentials)(const T* squares, Index row_stride, Index rows, Index cols, const T* least,
                     const T* weights, double* sums);
  // distances_i = ||x_i - centers_l||^2 of l = labels_i, from the differences.
  void (*distances_to)(const T* x, Index x_stride, const T* centers, Index centers_stride,
                       const std::int32_t* labels, Index rows, Index cols, T* distances);
  // sums_l += weights_i x_i of l = labels_i; sums has `cols` values for each l. weights (1) may be
  // null.
  void (*add_to_sums)(const T* x, Index x_stride, const std::int32_t* labels, const T* weights,
                      Index rows, Index cols, double* sums);
  // from -= weight x and to += weight x, which do not overlap.
  void (*move_in_sums)(const T* x, double weight, Index cols, double* from, double* to);
  void (*square_roots)(const T* x, T* y, Index n);  // in place allowed
  // The sum of sqrt(max(0, square + offsets_j - 2 products_j)).
  double (*sum_of_distances)(const T* products, T square, const T* offsets, Index n);
  // Null if the variant has none.
  const ScreenKernels<T>* screen;
};

}  // namespace unitgain::simd
