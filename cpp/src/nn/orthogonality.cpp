#include "nn/orthogonality.hpp"

#include <algorithm>
#include <cmath>

#include "ops/gemm.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::nn {

namespace {

// Keras's bound of 1 / |w|.
constexpr double most_reciprocal = 1e7;

}  // namespace

template <class T>
void Orthogonality<T>::reserve(Index rows, Index cols, bool columns, int threads) {
  const Index count = columns ? cols : rows;
  precision_ = float32_matmul_precision();
  constexpr const char* purpose = "a penalty of orthogonality";
  if (products_.size() < count * count) {
    products_ = base::AlignedBuffer<T>(count * count, purpose);
  }
  const auto size = static_cast<std::size_t>(count);
  if (sums_.size() < size) {
    sums_.resize(size);
    lengths_.resize(size);
  }
  // A team may turn out smaller than asked for, and its blocks then larger.
  Index bytes = 0;
  for (int team_size = 1; team_size <= threads; ++team_size) {
    const Index depth = columns ? rows : cols;
    bytes = std::max({bytes, ops::gemm_workspace<T>(count, count, depth, team_size, precision_),
                      ops::gemm_workspace<T>(rows, cols, count, team_size, precision_)});
  }
  if (workspace_.size() < bytes) workspace_ = base::AlignedBuffer<std::byte>(bytes, purpose);
}

// Of the products of all pairs, what the weights are to be multiplied with, row by row; each row's
// sum of |cosine|.
template <class T>
void Orthogonality<T>::make_symmetric(const runtime::Team& team, Index count, double factor) {
  const runtime::Range mine = team.share(count, 1);
  for (Index i = mine.begin; i < mine.end; ++i) {
    T* row = products_.data() + i * count;
    const double length = lengths_[static_cast<std::size_t>(i)];
    double sum = 0;
    for (Index j = 0; j < count; ++j) {
      if (i == j) continue;
      const double both = length * lengths_[static_cast<std::size_t>(j)];
      const double cosine = static_cast<double>(row[j]) * both;
      sum += std::abs(cosine);
      const double sign = cosine > 0 ? 1 : cosine < 0 ? -1 : cosine;  // a zero and a NaN remain
      row[j] = static_cast<T>(factor * sign * both);
    }
    // Where the bound is in force the length is no function of the weights.
    row[i] = static_cast<T>(length < most_reciprocal ? -factor * length * length * sum : 0.0);
    sums_[static_cast<std::size_t>(i)] = sum;
  }
}

template <class T>
double Orthogonality<T>::run(const runtime::Team& team, const OptimizedArray<T>& array,
                             T* gradient) {
  const PenaltySpec& spec = array.options.penalty;
  const Index rows = array.shape[0], cols = array.shape[1];
  const Index count = spec.columns ? cols : rows;
  if (count < 2 || rows * cols == 0) return 0;
  const MatrixView<const T> w{array.data, rows, cols, cols, 1};
  const MatrixView<const T> turned{array.data, cols, rows, 1, cols};
  ops::Gemm<T> pairs{spec.columns ? turned : w,
                     spec.columns ? w : turned,
                     {products_.data(), count, count, count, 1}};
  pairs.precision = precision_;
  ops::gemm(team, pairs, workspace_.data());
  team.barrier();
  for (Index i = 0; team.rank() == 0 && i < count; ++i) {
    const double square = static_cast<double>(products_[i * count + i]);
    lengths_[static_cast<std::size_t>(i)] = std::min(1 / std::sqrt(square), most_reciprocal);
  }
  team.barrier();
  const double factor =
      spec.orthogonal / (0.5 * static_cast<double>(count) * static_cast<double>(count - 1));
  make_symmetric(team, count, factor);
  team.barrier();
  double sum = 0;
  for (Index i = 0; i < count; ++i) sum += sums_[static_cast<std::size_t>(i)];
  if (gradient != nullptr) {
    const MatrixView<const T> symmetric{products_.data(), count, count, count, 1};
    ops::Gemm<T> change{spec.columns ? w : symmetric,
                        spec.columns ? symmetric : w,
                        {gradient, rows, cols, cols, 1}};
    change.beta = 1;
    change.precision = precision_;
    ops::gemm(team, change, workspace_.data());
  }
  team.barrier();
  return 0.5 * factor * sum;
}

template class Orthogonality<float>;
template class Orthogonality<double>;

}  // namespace unitgain::nn
