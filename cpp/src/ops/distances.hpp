// Distances from samples to centres, block by block: ||x - c||^2 = ||x||^2 - 2 x.c + ||c||^2, the
// products by the micro-kernel of the matrix product. Both sides have the centres' mean subtracted
// first, so that what they share does not cost digits.
#pragma once

#include <cstdint>

#include "base/aligned_buffer.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// Centres as the products want them. What it holds depends on the centres alone.
template <class T>
class PackedCenters {
 public:
  PackedCenters(Index clusters, Index cols);

  // For a team: takes the centres, which everybody may read after it.
  void take(const runtime::Team& team, const MatrixView<const T>& centers);

  Index clusters() const { return clusters_; }
  Index cols() const { return cols_; }
  const T* shift() const { return shift_.data(); }        // the centres' mean, `cols` values
  const T* centered() const { return centered_.data(); }  // the centres without it, row by row
  const T* squares() const { return squares_.data(); }    // ||c||^2 of each without it
  const T* panels() const { return panels_.data(); }
  // The largest ||c||^2 without the mean.
  T largest_square() const;

 private:
  Index clusters_, cols_;
  base::AlignedBuffer<T> shift_, centered_, squares_, panels_;
};

inline constexpr Index most_block_rows = 256;

// One thread's block of samples, and its products with the centres.
template <class T>
class SampleBlock {
 public:
  // How many samples it holds, at most most_block_rows: it stays in the second-level cache.
  static Index most_rows(Index clusters, Index cols);

  SampleBlock(Index clusters, Index cols);

  // Takes x's rows [first, first + rows), or those of which order[first ...] has the numbers.
  void load(const MatrixView<const T>& x, Index first, Index rows, const T* shift,
            const std::int32_t* order = nullptr);
  // The products with `count` centres from `first` on, a multiple of the tile's width.
  void multiply(const PackedCenters<T>& centers, Index first, Index count);
  void multiply(const PackedCenters<T>& centers) { multiply(centers, 0, centers.clusters()); }
  // The nearest centre of each, the first of equals, after multiply() of all centres; of its
  // squared distance and of the next, ||x||^2 subtracted. Where the products cannot tell, the
  // differences do. largest_square is the centres'.
  void find_nearest(const PackedCenters<T>& centers, T largest_square, std::int32_t* labels,
                    T* values, T* seconds) const;
  // Their squared distances, a row for each sample, after multiply() of all centres; `to` may be
  // products().
  void squared_distances(const PackedCenters<T>& centers, T* to, Index to_stride) const;

  Index rows() const { return rows_; }
  const T* samples() const { return samples_.data(); }  // without the shift
  Index sample_stride() const { return sample_stride_; }
  const T* squares() const { return squares_.data(); }
  T* products() const { return products_.data(); }
  Index product_stride() const { return product_stride_; }

 private:
  void decide(const PackedCenters<T>& centers, Index row, T margin, std::int32_t& label, T& value,
              T& second) const;

  Index rows_ = 0, sample_stride_, product_stride_;
  base::AlignedBuffer<T> samples_, squares_, products_;
};

// A squared distance that the products give is off by at most this times (||x|| + ||c||)^2.
template <class T>
T product_error(Index cols);

// The cost of distances on one thread, in nanoseconds, roughly.
double distances_work(Index rows, Index clusters, Index cols);

}  // namespace unitgain::ops
