// Adafactor's second moments: of a matrix the means of its rows and of its columns, whose product
// stands for the whole; of a vector each value's.
//
// Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML
// 2018, algorithms 4 and 5. Of an array of more axes the last two are the matrix, as in Keras.
#pragma once

#include <vector>

#include "base/aligned_buffer.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::nn {

template <class T>
class FactoredMoments {
 public:
  // Adds the next array.
  void add(const std::vector<Index>& shape);
  // Makes the memory for all arrays.
  void allocate();

  bool is_factored(std::size_t array) const { return parts_[array].is_factored; }
  // Each value's, of an array that is not factored; else its rows'.
  T* first(std::size_t array) const { return memory_.data() + parts_[array].offset; }
  T* columns(std::size_t array) const { return first(array) + parts_[array].first_size; }
  std::vector<Index> first_shape(std::size_t array) const;
  std::vector<Index> columns_shape(std::size_t array) const;
  Index size() const { return memory_.size(); }

  // The team's part of moving an array's moments to those of its gradient. The next two read what
  // all of the team did before.
  void move(const runtime::Team& team, std::size_t array, const T* gradient, T rest, T epsilon);
  void average_rows(const runtime::Team& team, std::size_t array);
  // Divides values of a gradient, the first being number `begin`, by the roots of their moments.
  void divide(std::size_t array, T* gradient, Index begin, Index count) const;

 private:
  struct Part {
    std::vector<Index> shape;
    bool is_factored;
    Index matrices, rows, cols;
    Index offset, first_size;
    Index mean_offset;  // of the mean of each matrix's rows
  };
  std::vector<Part> parts_;
  Index values_ = 0, matrices_ = 0;
  base::AlignedBuffer<T> memory_;
  std::vector<double> means_;
};

}  // namespace unitgain::nn
