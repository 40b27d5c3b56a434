#include "cluster/assignment.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "cluster/chunks.hpp"
#include "simd/kernels/cluster.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain {

namespace cluster {

namespace {

constexpr const char* purpose = "the sums of k-means";

}  // namespace

ClusterSums::ClusterSums(Index rows, Index clusters, Index cols)
    : clusters_(clusters),
      cols_(cols),
      chunks_(chunk_count(rows, clusters, cols)),
      sums_((chunks_ + 1) * clusters * cols, purpose),
      totals_(2 * (chunks_ + 1) * clusters, purpose) {}

void ClusterSums::clear_chunk(Index chunk) const {
  std::fill_n(chunk_sums(chunk), values(), 0.0);
  std::fill_n(chunk_totals(chunk), 2 * clusters_, 0.0);
}

void ClusterSums::add_up(const runtime::Team& team) const {
  const auto add = [&](double* all, Index n) {
    const runtime::Range mine = team.share(n, 64 / sizeof(double));
    std::fill(all + chunks_ * n + mine.begin, all + chunks_ * n + mine.end, 0.0);
    for (Index chunk = 0; chunk < chunks_; ++chunk) {
      for (Index i = mine.begin; i < mine.end; ++i) all[chunks_ * n + i] += all[chunk * n + i];
    }
  };
  add(sums_.data(), values());
  add(totals_.data(), 2 * clusters_);
}

template <class T>
Assigner<T>::Assigner(const Samples<T>& samples, Index clusters, int threads)
    : samples_(samples), centers_(clusters, samples.x.cols) {
  for (int i = 0; i < threads; ++i) blocks_.emplace_back(clusters, samples.x.cols);
}

template <class T>
void Assigner<T>::assign(const runtime::Team& team, const MatrixView<const T>& centers,
                         std::int32_t* labels, T* squares, const ClusterSums* sums, char* changed) {
  const auto& kernels = *runtime::kernels<T>().cluster;
  const MatrixView<const T>& x = samples_.x;
  ops::SampleBlock<T>& block = blocks_[static_cast<std::size_t>(team.rank())];
  const Index most = ops::SampleBlock<T>::most_rows(centers.rows, x.cols);
  const Index chunks = chunk_count(x.rows, centers.rows, x.cols);
  std::int32_t found[ops::most_block_rows];
  T values[ops::most_block_rows], seconds[ops::most_block_rows];
  centers_.take(team, centers);
  const T largest_square = centers_.largest_square();
  const runtime::Range mine = team.share(chunks);
  for (Index chunk = mine.begin; chunk < mine.end; ++chunk) {
    if (sums != nullptr) sums->clear_chunk(chunk);
    bool differs = false;
    for_each_block(chunk_rows(chunk, chunks, x.rows), most, [&](Index first, Index rows) {
      block.take_nearest(x, first, rows, nullptr, centers_, largest_square, found, values, seconds);
      const auto bytes = static_cast<std::size_t>(rows) * sizeof(std::int32_t);
      if (std::memcmp(found, labels + first, bytes) != 0) {
        differs = true;
        std::memcpy(labels + first, found, bytes);
      }
      const T* data = x.data + first * x.row_stride;
      if (squares != nullptr) {
        kernels.distances_to(data, x.row_stride, centers.data, centers.row_stride, found, rows,
                             x.cols, squares + first);
      }
      if (sums == nullptr) return;
      const T* weights = samples_.weights == nullptr ? nullptr : samples_.weights + first;
      kernels.add_to_sums(data, x.row_stride, found, weights, rows, x.cols,
                          sums->chunk_sums(chunk));
      double* totals = sums->chunk_totals(chunk);
      for (Index i = 0; i < rows; ++i) {
        totals[found[i]] += weights == nullptr ? 1.0 : static_cast<double>(weights[i]);
      }
    });
    if (changed != nullptr) changed[chunk] = differs;
  }
  team.barrier();
}

template class Assigner<float>;
template class Assigner<double>;

}  // namespace cluster

template <class T>
bool is_finite(const MatrixView<const T>& x) {
  std::atomic<bool> finite = true;
  const double work = 0.05 * static_cast<double>(x.rows * x.cols);
  runtime::parallel(runtime::threads_for(work), [&](const runtime::Team& team) {
    const auto largest = runtime::kernels<T>().vector->max_abs;
    const runtime::Range mine = team.share(x.rows, 64);
    const bool is_dense = x.row_stride == x.cols;
    const Index step = is_dense ? std::max<Index>(mine.size(), 1) : 1;
    for (Index i = mine.begin; i < mine.end; i += step) {
      // NaN if one entry is not finite.
      if (std::isnan(largest(x.data + i * x.row_stride, step * x.cols))) finite = false;
    }
  });
  return finite;
}
template bool is_finite(const MatrixView<const float>&);
template bool is_finite(const MatrixView<const double>&);

template <class T>
void assign(const Samples<T>& samples, CenterView<const T> centers, const Assignment<T>& wanted) {
  const MatrixView<const T>& x = samples.x;
  const runtime::TeamSize size =
      runtime::threads_for(ops::distances_work(x.rows, centers.clusters, x.cols), 3);
  cluster::Assigner<T> assigner(samples, centers.clusters, size.threads);
  const bool sums_wanted = wanted.sums != nullptr;
  const cluster::ClusterSums sums(x.rows, sums_wanted ? centers.clusters : 0, x.cols);
  runtime::parallel(size, [&](const runtime::Team& team) {
    assigner.assign(team, cluster::matrix_of(centers, x.cols), wanted.labels, wanted.squares,
                    sums_wanted ? &sums : nullptr, nullptr);
    if (sums_wanted) sums.add_up(team);
  });
  if (!sums_wanted) return;
  std::copy_n(sums.sums(), centers.clusters * x.cols, wanted.sums);
  std::copy_n(sums.totals(), centers.clusters, wanted.totals);
}

template <class T>
double inertia(const Samples<T>& samples, CenterView<const T> centers, const std::int32_t* labels) {
  const MatrixView<const T>& x = samples.x;
  const auto& kernels = *runtime::kernels<T>().cluster;
  const Index chunks = cluster::chunk_count(x.rows, 1, 1);
  double sums[cluster::most_chunks] = {};
  const double work = 0.1 * static_cast<double>(x.rows * (x.cols + 16));
  runtime::parallel(runtime::threads_for(work), [&](const runtime::Team& team) {
    const runtime::Range mine = team.share(chunks);
    T squares[ops::most_block_rows];
    for (Index chunk = mine.begin; chunk < mine.end; ++chunk) {
      double sum = 0;
      cluster::for_each_block(
          cluster::chunk_rows(chunk, chunks, x.rows), ops::most_block_rows,
          [&](Index first, Index rows) {
            kernels.distances_to(x.data + first * x.row_stride, x.row_stride, centers.data, x.cols,
                                 labels + first, rows, x.cols, squares);
            for (Index i = 0; i < rows; ++i) {
              const T weight = samples.weights == nullptr ? T{1} : samples.weights[first + i];
              sum += static_cast<double>(squares[i]) * static_cast<double>(weight);
            }
          });
      sums[chunk] = sum;
    }
  });
  double total = 0;
  for (Index chunk = 0; chunk < chunks; ++chunk) total += sums[chunk];
  return total;
}

template void assign(const Samples<float>&, CenterView<const float>, const Assignment<float>&);
template void assign(const Samples<double>&, CenterView<const double>, const Assignment<double>&);
template double inertia(const Samples<float>&, CenterView<const float>, const std::int32_t*);
template double inertia(const Samples<double>&, CenterView<const double>, const std::int32_t*);

}  // namespace unitgain
