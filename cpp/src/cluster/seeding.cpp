// k-means++ with several trials for each centre.
#include <algorithm>
#include <limits>
#include <vector>

#include "cluster/chunks.hpp"
#include "runtime/philox.hpp"
#include "simd/kernels/cluster.hpp"
#include "unitgain/cluster.hpp"

namespace unitgain {

namespace cluster {

namespace {

constexpr const char* purpose = "k-means++";

template <class T>
class Seeding {
 public:
  Seeding(const Samples<T>& samples, Index trials, runtime::RandomStream random, int threads)
      : samples_(samples),
        trials_(trials),
        chunks_(chunk_count(samples.x.rows, 1, 1)),
        random_(random),
        least_(samples.x.rows, purpose),
        squares_(samples.x.rows * trials, purpose),
        candidates_(static_cast<std::size_t>(trials)),
        rows_(trials * samples.x.cols, purpose),
        packed_(trials, samples.x.cols),
        chunk_potentials_(chunks_ * trials, purpose),
        chunk_weights_(static_cast<std::size_t>(chunks_)) {
    std::fill(least_.begin(), least_.end(), std::numeric_limits<T>::max());
    for (int i = 0; i < threads; ++i) blocks_.emplace_back(trials, samples.x.cols);
    for (Index chunk = 0; chunk < chunks_; ++chunk) {
      double sum = 0;
      for_each_weight(chunk, [&](Index, double weight) {
        sum += weight;
        return true;
      });
      chunk_weights_[static_cast<std::size_t>(chunk)] = sum;
    }
  }

  // For a team: chooses the next centre, and copies it.
  void choose(const runtime::Team& team, bool is_first, T* center, Index* index) {
    const MatrixView<const T>& x = samples_.x;
    if (team.rank() == 0) draw(is_first);
    team.barrier();
    packed_.take(team, {rows_.data(), trials_, x.cols, x.cols, 1});
    measure(team);
    team.barrier();
    if (team.rank() == 0) {
      best_ = best_trial();
      *index = candidates_[static_cast<std::size_t>(best_)];
      std::copy_n(x.data + *index * x.row_stride, x.cols, center);
    }
    team.barrier();
    lower(team);
    team.barrier();
  }

 private:
  double weight_of(Index i) const {
    return samples_.weights == nullptr ? 1.0 : static_cast<double>(samples_.weights[i]);
  }

  // Calls body(i, share of the draw) for the samples of a chunk until it returns false.
  template <class Body>
  void for_each_weight(Index chunk, Body&& body) const {
    const runtime::Range range = chunk_rows(chunk, chunks_, samples_.x.rows);
    for (Index i = range.begin; i < range.end; ++i) {
      const double least = is_measured_ ? static_cast<double>(least_[i]) : 1.0;
      if (!body(i, weight_of(i) * least)) return;
    }
  }

  void draw(bool is_first) {
    is_measured_ = !is_first;
    double total = 0;
    for (const double weight : chunk_weights_) total += weight;
    const MatrixView<const T>& x = samples_.x;
    for (Index t = 0; t < trials_; ++t) {
      // The first centre is one draw, whose trials are all the same.
      const Index found = is_first && t > 0 ? candidates_[0] : draw_one(total);
      candidates_[static_cast<std::size_t>(t)] = found;
      std::copy_n(x.data + found * x.row_stride, x.cols, rows_.data() + t * x.cols);
    }
  }

  Index draw_one(double total) {
    const double uniform = random_.uniform(drawn_++);
    const Index n = samples_.x.rows;
    // Fewer different samples than centres: any will do.
    if (!(total > 0)) return std::min(static_cast<Index>(uniform * static_cast<double>(n)), n - 1);
    double left = uniform * total;
    Index found = -1;
    for (Index chunk = 0; chunk < chunks_; ++chunk) {
      const double weight = chunk_weights_[static_cast<std::size_t>(chunk)];
      if (!(weight > 0)) continue;
      if (left >= weight && chunk + 1 < chunks_) {
        left -= weight;
        continue;
      }
      for_each_weight(chunk, [&](Index i, double share) {
        if (share > 0) found = i;  // the last one that can be drawn, should rounding lead beyond
        left -= share;
        return left >= 0;
      });
      if (left < 0) break;
    }
    return found >= 0 ? found : last_possible();
  }

  Index last_possible() const {
    Index found = samples_.x.rows - 1;
    for (Index chunk = 0; chunk < chunks_; ++chunk) {
      for_each_weight(chunk, [&](Index i, double share) {
        if (share > 0) found = i;
        return true;
      });
    }
    return found;
  }

  // The candidates' distances from all samples, and what would be left of the potential.
  void measure(const runtime::Team& team) {
    const MatrixView<const T>& x = samples_.x;
    ops::SampleBlock<T>& block = blocks_[static_cast<std::size_t>(team.rank())];
    const Index most = ops::SampleBlock<T>::most_rows(trials_, x.cols);
    const runtime::Range mine = team.share(chunks_);
    for (Index chunk = mine.begin; chunk < mine.end; ++chunk) {
      double* sums = chunk_potentials_.data() + chunk * trials_;
      std::fill_n(sums, trials_, 0.0);
      for_each_block(chunk_rows(chunk, chunks_, x.rows), most, [&](Index first, Index rows) {
        block.load(x, first, rows, packed_.shift());
        block.multiply(packed_);
        T* squares = squares_.data() + first * trials_;
        block.squared_distances(packed_, squares, trials_);
        runtime::kernels<T>().cluster->potentials(
            squares, trials_, rows, trials_, least_.data() + first,
            samples_.weights == nullptr ? nullptr : samples_.weights + first, sums);
      });
    }
  }

  Index best_trial() const {
    Index best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (Index t = 0; t < trials_; ++t) {
      double sum = 0;
      for (Index chunk = 0; chunk < chunks_; ++chunk) {
        sum += chunk_potentials_[chunk * trials_ + t];
      }
      if (sum < least) {
        least = sum;
        best = t;
      }
    }
    return best;
  }

  // Takes the chosen centre's distances where they are less.
  void lower(const runtime::Team& team) {
    const runtime::Range mine = team.share(chunks_);
    for (Index chunk = mine.begin; chunk < mine.end; ++chunk) {
      const runtime::Range range = chunk_rows(chunk, chunks_, samples_.x.rows);
      double sum = 0;
      for (Index i = range.begin; i < range.end; ++i) {
        least_[i] = std::min(least_[i], squares_[i * trials_ + best_]);
        sum += weight_of(i) * static_cast<double>(least_[i]);
      }
      chunk_weights_[static_cast<std::size_t>(chunk)] = sum;
    }
  }

  Samples<T> samples_;
  Index trials_, chunks_;
  runtime::RandomStream random_;
  std::uint64_t drawn_ = 0;
  bool is_measured_ = false;
  Index best_ = 0;
  base::AlignedBuffer<T> least_;    // of each sample, its squared distance from the nearest centre
  base::AlignedBuffer<T> squares_;  // of each sample, those from the candidates
  std::vector<Index> candidates_;
  base::AlignedBuffer<T> rows_;
  ops::PackedCenters<T> packed_;
  base::AlignedBuffer<double> chunk_potentials_;
  std::vector<double> chunk_weights_;  // the sum of what a draw goes by, of each chunk
  std::vector<ops::SampleBlock<T>> blocks_;
};

}  // namespace

}  // namespace cluster

template <class T>
void seed_centers(const Samples<T>& samples, CenterView<T> centers, Index* indices, Index trials,
                  std::uint64_t key, std::uint64_t stream) {
  const MatrixView<const T>& x = samples.x;
  const runtime::TeamSize size =
      runtime::threads_for(ops::distances_work(x.rows, trials, x.cols), 6);
  cluster::Seeding<T> seeding(samples, trials, runtime::RandomStream(key, stream), size.threads);
  runtime::parallel(size, [&](const runtime::Team& team) {
    for (Index i = 0; i < centers.clusters; ++i) {
      seeding.choose(team, i == 0, centers.data + i * x.cols, indices + i);
    }
  });
}

template void seed_centers(const Samples<float>&, CenterView<float>, Index*, Index, std::uint64_t,
                           std::uint64_t);
template void seed_centers(const Samples<double>&, CenterView<double>, Index*, Index, std::uint64_t,
                           std::uint64_t);

}  // namespace unitgain
