#include <algorithm>
#include <limits>
#include <vector>

#include "cluster/chunks.hpp"
#include "simd/kernels/cluster.hpp"
#include "unitgain/cluster.hpp"

namespace unitgain {

namespace {

constexpr Index slab = 1024;  // samples that a block of samples meets at a time

// The silhouette of a sample from the sums of its distances to each cluster's samples.
template <class T>
T silhouette(const double* sums, const Index* starts, Index clusters, Index own) {
  const Index others = starts[own + 1] - starts[own] - 1;
  if (others == 0) return T{0};
  const double within = std::max(sums[own], 0.0) / static_cast<double>(others);
  double between = std::numeric_limits<double>::infinity();
  for (Index c = 0; c < clusters; ++c) {
    const Index count = starts[c + 1] - starts[c];
    if (c != own && count > 0) between = std::min(between, sums[c] / static_cast<double>(count));
  }
  const double larger = std::max(within, between);
  return larger > 0 ? static_cast<T>((between - within) / larger) : T{0};
}

}  // namespace

template <class T>
void silhouettes(const MatrixView<const T>& x, const Index* starts, Index clusters, T* out) {
  const Index n = x.rows;
  const Index most = ops::SampleBlock<T>::most_rows(slab, x.cols);
  const runtime::TeamSize size = runtime::threads_for(ops::distances_work(n, n, x.cols), 3);
  ops::PackedCenters<T> packed(n, x.cols);
  std::vector<ops::SampleBlock<T>> blocks;
  for (int i = 0; i < size.threads; ++i) blocks.emplace_back(slab, x.cols);
  std::vector<double> all_sums(static_cast<std::size_t>(size.threads * most * clusters));
  runtime::parallel(size, [&](const runtime::Team& team) {
    const auto& kernels = *runtime::kernels<T>().cluster;
    ops::SampleBlock<T>& block = blocks[static_cast<std::size_t>(team.rank())];
    double* sums = all_sums.data() + team.rank() * most * clusters;
    packed.take(team, x);
    cluster::for_each_block(team.share(n, 16), most, [&](Index first, Index rows) {
      std::fill_n(sums, rows * clusters, 0.0);
      block.load(x, first, rows, packed.shift());
      Index from = 0;  // the cluster that a slab begins in
      for (Index begin = 0; begin < n; begin += slab) {
        const Index end = std::min(begin + slab, n);
        block.multiply(packed, begin, end - begin);
        while (starts[from + 1] <= begin) ++from;
        for (Index c = from; c < clusters && starts[c] < end; ++c) {
          const Index low = std::max(starts[c], begin), high = std::min(starts[c + 1], end);
          for (Index i = 0; i < rows; ++i) {
            const T* products = block.products() + i * block.product_stride() - begin;
            const auto sum = [&](Index at, Index count) {
              return kernels.sum_of_distances(products + at, block.squares()[i],
                                              packed.squares() + at, count);
            };
            sums[i * clusters + c] += sum(low, high - low);
            const Index self = first + i;  // its distance from itself is rounding errors
            if (self >= low && self < high) sums[i * clusters + c] -= sum(self, 1);
          }
        }
      }
      for (Index i = 0; i < rows; ++i) {
        const Index own = std::upper_bound(starts, starts + clusters + 1, first + i) - starts - 1;
        out[first + i] = silhouette<T>(sums + i * clusters, starts, clusters, own);
      }
    });
  });
}

template void silhouettes(const MatrixView<const float>&, const Index*, Index, float*);
template void silhouettes(const MatrixView<const double>&, const Index*, Index, double*);

}  // namespace unitgain
