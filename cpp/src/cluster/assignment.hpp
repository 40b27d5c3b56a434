// The nearest centre of each sample, and the sums of each centre's samples.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/distances.hpp"
#include "unitgain/cluster.hpp"

namespace unitgain::cluster {

// Sums over a cluster's samples, of all clusters: by chunks first (chunks.hpp).
class ClusterSums {
 public:
  ClusterSums(Index rows, Index clusters, Index cols);

  Index chunks() const { return chunks_; }
  // A chunk's own, `clusters` times `cols` values; its weights, `clusters` values; and how many of
  // these are not 0.
  double* chunk_sums(Index chunk) const { return sums_.data() + chunk * values(); }
  double* chunk_totals(Index chunk) const { return totals_.data() + 2 * chunk * clusters_; }
  double* chunk_counts(Index chunk) const { return chunk_totals(chunk) + clusters_; }
  void clear_chunk(Index chunk) const;
  // For a team: adds the chunks up; what the members wrote before must be visible.
  void add_up(const runtime::Team& team) const;
  double* sums() const { return chunk_sums(chunks_); }
  double* totals() const { return chunk_totals(chunks_); }
  double* counts() const { return chunk_counts(chunks_); }

 private:
  Index values() const { return clusters_ * cols_; }
  Index clusters_, cols_, chunks_;
  base::AlignedBuffer<double> sums_, totals_;  // of each chunk, and of all
};

// Everything that a team's assignment needs; made before the team is.
template <class T>
class Assigner {
 public:
  // A null `sums` in assign() needs none.
  Assigner(const Samples<T>& samples, Index clusters, int threads);

  // For a team: labels of all samples, `changed` being told of each chunk whether they are other
  // than those that were there; null: not wanted. Waits for all members at its end.
  void assign(const runtime::Team& team, const MatrixView<const T>& centers, std::int32_t* labels,
              T* squares, const ClusterSums* sums, char* changed);

 private:
  Samples<T> samples_;
  ops::PackedCenters<T> centers_;
  std::vector<ops::SampleBlock<T>> blocks_;
};

template <class T>
MatrixView<const T> matrix_of(const CenterView<const T>& centers, Index cols) {
  return {centers.data, centers.clusters, cols, cols, 1};
}

}  // namespace unitgain::cluster
