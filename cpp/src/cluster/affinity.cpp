// Affinities of samples to given centres.
#include <algorithm>
#include <limits>
#include <vector>

#include "cluster/assignment.hpp"
#include "cluster/chunks.hpp"
#include "simd/kernels/activation.hpp"
#include "simd/kernels/cluster.hpp"
#include "simd/kernels/softmax.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain {

namespace {

// Squared distances in place to what rbf's exponential and the softmax take.
template <class T>
T exponent_factor(double bandwidth) {
  constexpr auto most = static_cast<double>(std::numeric_limits<T>::max());
  return static_cast<T>(-std::min(0.5 / (bandwidth * bandwidth), most));
}

template <class T>
void finish(Affinity kind, double bandwidth, Index rows, Index clusters, T* values) {
  const auto& kernels = runtime::kernels<T>();
  const Index n = rows * clusters;
  if (kind == Affinity::distance) return kernels.cluster->square_roots(values, values, n);
  kernels.vector->scale(exponent_factor<T>(bandwidth), values, n);
  if (kind == Affinity::soft) return kernels.softmax->softmax(values, values, rows, clusters);
  const double parameters[3] = {};
  kernels.activation->row[static_cast<int>(Activation::exponential)]->forward(values, values, n,
                                                                              parameters);
}

}  // namespace

template <class T>
void affinities(const MatrixView<const T>& x, CenterView<const T> centers, Affinity kind,
                double bandwidth, T* out) {
  const Index clusters = centers.clusters;
  const Index most = ops::SampleBlock<T>::most_rows(clusters, x.cols);
  const runtime::TeamSize size =
      runtime::threads_for(ops::distances_work(x.rows, clusters, x.cols), 3);
  ops::PackedCenters<T> packed(clusters, x.cols);
  std::vector<ops::SampleBlock<T>> blocks;
  for (int i = 0; i < size.threads; ++i) blocks.emplace_back(clusters, x.cols);
  runtime::parallel(size, [&](const runtime::Team& team) {
    ops::SampleBlock<T>& block = blocks[static_cast<std::size_t>(team.rank())];
    packed.take(team, cluster::matrix_of(centers, x.cols));
    cluster::for_each_block(team.share(x.rows, 16), most, [&](Index first, Index rows) {
      T* values = out + first * clusters;
      block.load(x, first, rows, packed.shift());
      block.multiply(packed);
      if (kind != Affinity::one_hot) {
        block.squared_distances(packed, values, clusters);
        return finish(kind, bandwidth, rows, clusters, values);
      }
      std::int32_t labels[ops::most_block_rows];
      T least[ops::most_block_rows], seconds[ops::most_block_rows];
      block.find_nearest(packed, packed.largest_square(), labels, least, seconds);
      std::fill_n(values, rows * clusters, T{0});
      for (Index i = 0; i < rows; ++i) values[i * clusters + labels[i]] = T{1};
    });
  });
}

template void affinities(const MatrixView<const float>&, CenterView<const float>, Affinity, double,
                         float*);
template void affinities(const MatrixView<const double>&, CenterView<const double>, Affinity,
                         double, double*);

}  // namespace unitgain
