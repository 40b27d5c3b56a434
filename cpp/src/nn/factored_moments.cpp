#include "nn/factored_moments.hpp"

#include <algorithm>
#include <cmath>

namespace unitgain::nn {

namespace {

constexpr Index column_block = 64;  // columns whose sums one thread holds at a time

}  // namespace

template <class T>
void FactoredMoments<T>::add(const std::vector<Index>& shape) {
  Part part{shape, shape.size() >= 2, 1, 1, 1, values_, 0, matrices_};
  Index size = 1;
  for (const Index extent : shape) size *= extent;
  if (part.is_factored) {
    part.cols = shape.back();
    part.rows = shape[shape.size() - 2];
    for (std::size_t i = 0; i + 2 < shape.size(); ++i) part.matrices *= shape[i];
    part.first_size = part.matrices * part.rows;
    values_ += part.first_size + part.matrices * part.cols;
    matrices_ += part.matrices;
  } else {
    part.first_size = size;
    values_ += size;
  }
  parts_.push_back(part);
}

template <class T>
void FactoredMoments<T>::allocate() {
  memory_ = base::AlignedBuffer<T>(values_, "the optimizer's state");
  memory_.zero();
  means_.resize(static_cast<std::size_t>(matrices_));
}

template <class T>
std::vector<Index> FactoredMoments<T>::first_shape(std::size_t array) const {
  std::vector<Index> shape = parts_[array].shape;
  if (is_factored(array)) shape.pop_back();
  return shape;
}

template <class T>
std::vector<Index> FactoredMoments<T>::columns_shape(std::size_t array) const {
  std::vector<Index> shape = parts_[array].shape;
  shape.erase(shape.end() - 2);
  return shape;
}

template <class T>
void FactoredMoments<T>::move(const runtime::Team& team, std::size_t array, const T* gradient,
                              T rest, T epsilon) {
  const Part& part = parts_[array];
  const Index matrices = part.matrices, rows = part.rows, cols = part.cols;
  const auto moved = [rest, epsilon](T& moment, double sum, Index count) {
    const double mean = sum / static_cast<double>(count) + static_cast<double>(epsilon);
    const double old = static_cast<double>(moment);
    moment = static_cast<T>(old + (mean - old) * static_cast<double>(rest));
  };
  const runtime::Range own_rows = team.share(matrices * rows, 1);
  for (Index i = own_rows.begin; i < own_rows.end; ++i) {
    const T* row = gradient + i * cols;
    double sum = 0;
    for (Index j = 0; j < cols; ++j) {
      const auto value = static_cast<double>(row[j]);
      sum += value * value;
    }
    moved(first(array)[i], sum, cols);
  }
  const Index blocks = (cols + column_block - 1) / column_block;
  const runtime::Range own_blocks = team.share(matrices * blocks, 1);
  for (Index i = own_blocks.begin; i < own_blocks.end; ++i) {
    const Index matrix = i / blocks, begin = i % blocks * column_block;
    const Index count = std::min(column_block, cols - begin);
    double sums[column_block] = {};
    for (Index r = 0; r < rows; ++r) {
      const T* row = gradient + (matrix * rows + r) * cols + begin;
      for (Index j = 0; j < count; ++j) {
        const auto value = static_cast<double>(row[j]);
        sums[j] += value * value;
      }
    }
    T* moments = columns(array) + matrix * cols + begin;
    for (Index j = 0; j < count; ++j) moved(moments[j], sums[j], rows);
  }
}

template <class T>
void FactoredMoments<T>::average_rows(const runtime::Team& team, std::size_t array) {
  const Part& part = parts_[array];
  const runtime::Range own = team.share(part.matrices, 1);
  for (Index matrix = own.begin; matrix < own.end; ++matrix) {
    const T* moments = first(array) + matrix * part.rows;
    double sum = 0;
    for (Index r = 0; r < part.rows; ++r) sum += static_cast<double>(moments[r]);
    means_[static_cast<std::size_t>(part.mean_offset + matrix)] =
        sum / static_cast<double>(part.rows);
  }
}

template <class T>
void FactoredMoments<T>::divide(std::size_t array, T* gradient, Index begin, Index count) const {
  const Part& part = parts_[array];
  for (Index i = begin; i < begin + count;) {
    const Index row = i / part.cols, col = i % part.cols, matrix = row / part.rows;
    const Index last = std::min(begin + count, (row + 1) * part.cols);
    const double mean = means_[static_cast<std::size_t>(part.mean_offset + matrix)];
    // Roots, since the product of two moments of zeros alone underflows.
    const auto root = static_cast<T>(std::sqrt(static_cast<double>(first(array)[row]) / mean));
    const T* moments = columns(array) + matrix * part.cols + col;
    T* values = gradient + (i - begin);
    for (Index j = 0; j < last - i; ++j) values[j] /= root * std::sqrt(moments[j]);
    i = last;
  }
}

template class FactoredMoments<float>;
template class FactoredMoments<double>;

}  // namespace unitgain::nn
