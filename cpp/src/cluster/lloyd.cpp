// Lloyd's iteration.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cluster/assignment.hpp"
#include "cluster/chunks.hpp"

namespace unitgain {

namespace cluster {

namespace {

template <class T>
class Lloyd {
 public:
  Lloyd(const Samples<T>& samples, CenterView<T> centers, std::int32_t* labels, int threads)
      : samples_(samples),
        centers_{centers.data, centers.clusters, samples.x.cols, samples.x.cols, 1},
        labels_(labels),
        assigner_(samples, centers.clusters, threads),
        sums_(samples.x.rows, centers.clusters, samples.x.cols),
        changed_(static_cast<std::size_t>(sums_.chunks())),
        squares_(samples.x.rows, "the distances of k-means") {
    farthest_.reserve(static_cast<std::size_t>(centers.clusters) + 1);
  }

  // For a team: one iteration. The members know the result alike.
  void iterate(const runtime::Team& team, double tolerance) {
    const MatrixView<const T> centers = {centers_.data, centers_.rows, centers_.cols,
                                         centers_.row_stride, 1};
    assigner_.assign(team, centers, labels_, nullptr, &sums_, changed_.data());
    sums_.add_up(team);
    team.barrier();
    const double* totals = sums_.totals();
    if (std::find(totals, totals + centers_.rows, 0.0) != totals + centers_.rows) {
      relocate(team);
    }
    if (team.rank() == 0) {
      is_stable_ = std::find(changed_.begin(), changed_.end(), 1) == changed_.end();
      is_within_tolerance_ = move_centers() <= tolerance;
    }
    team.barrier();
  }

  bool is_stable() const { return is_stable_; }
  bool is_within_tolerance() const { return is_within_tolerance_; }

 private:
  // Gives each cluster without samples the one that is farthest from its centre.
  void relocate(const runtime::Team& team) {
    const MatrixView<const T>& x = samples_.x;
    const runtime::Range mine = team.share(x.rows, 64);
    runtime::kernels<T>().cluster->distances_to(x.data + mine.begin * x.row_stride, x.row_stride,
                                                centers_.data, centers_.cols, labels_ + mine.begin,
                                                mine.size(), x.cols, squares_.data() + mine.begin);
    team.barrier();
    if (team.rank() == 0) give_farthest();
  }

  void give_farthest() {
    double* totals = sums_.totals();
    const auto empty = static_cast<std::size_t>(std::count(totals, totals + centers_.rows, 0.0));
    // Of equals the first comes first.
    const auto is_farther = [&](Index a, Index b) {
      return squares_[a] > squares_[b] || (squares_[a] == squares_[b] && a < b);
    };
    farthest_.clear();
    for (Index i = 0; i < samples_.x.rows; ++i) {
      if (farthest_.size() == empty && !is_farther(i, farthest_.front())) continue;
      farthest_.push_back(i);
      std::push_heap(farthest_.begin(), farthest_.end(), is_farther);
      if (farthest_.size() > empty) {
        std::pop_heap(farthest_.begin(), farthest_.end(), is_farther);
        farthest_.pop_back();
      }
    }
    std::sort_heap(farthest_.begin(), farthest_.end(), is_farther);
    if (!(squares_[farthest_[0]] > T{0})) return;  // more clusters than different samples
    std::size_t next = 0;
    for (Index cluster = 0; cluster < centers_.rows && next < farthest_.size(); ++cluster) {
      if (totals[cluster] == 0.0) move_sample(farthest_[next++], cluster);
    }
  }

  void move_sample(Index sample, Index to) {
    const Index from = labels_[sample];
    const double weight =
        samples_.weights == nullptr ? 1.0 : static_cast<double>(samples_.weights[sample]);
    double* sums = sums_.sums();
    double* totals = sums_.totals();
    for (Index j = 0; j < centers_.cols; ++j) {
      const double value =
          weight * static_cast<double>(samples_.x.data[sample * samples_.x.row_stride + j]);
      sums[from * centers_.cols + j] -= value;
      sums[to * centers_.cols + j] = value;
    }
    totals[from] -= weight;
    totals[to] = weight;
  }

  // Returns the sum of the moves' squares.
  double move_centers() {
    const double* totals = sums_.totals();
    const Index largest = std::max_element(totals, totals + centers_.rows) - totals;
    double moved = 0;
    for (Index i = 0; i < centers_.rows; ++i) {
      const Index from = totals[i] > 0 ? i : largest;
      const double* sums = sums_.sums() + from * centers_.cols;
      T* center = centers_.data + i * centers_.cols;
      for (Index j = 0; j < centers_.cols; ++j) {
        const T value = static_cast<T>(sums[j] / totals[from]);
        const double step = static_cast<double>(value) - static_cast<double>(center[j]);
        moved += step * step;
        center[j] = value;
      }
    }
    return moved;
  }

  Samples<T> samples_;
  MatrixView<T> centers_;
  std::int32_t* labels_;
  Assigner<T> assigner_;
  ClusterSums sums_;
  std::vector<char> changed_;
  base::AlignedBuffer<T> squares_;
  std::vector<Index> farthest_;
  bool is_stable_ = false, is_within_tolerance_ = false;
};

}  // namespace

}  // namespace cluster

template <class T>
LloydResult lloyd(const Samples<T>& samples, CenterView<T> centers, std::int32_t* labels,
                  const LloydOptions& options) {
  constexpr int barriers = 5;
  const MatrixView<const T>& x = samples.x;
  const runtime::TeamSize size =
      runtime::threads_for(ops::distances_work(x.rows, centers.clusters, x.cols), barriers);
  cluster::Lloyd<T> state(samples, centers, labels, size.threads);
  LloydResult result = {0, false, false};
  runtime::parallel(size, [&](const runtime::Team& team) {
    for (Index i = 0; i < options.most_iterations; ++i) {
      state.iterate(team, options.tolerance);
      if (team.rank() == 0) {
        result = {i + 1, state.is_stable(), state.is_within_tolerance()};
      }
      if (state.is_stable() || state.is_within_tolerance()) break;
    }
  });
  return result;
}

template LloydResult lloyd(const Samples<float>&, CenterView<float>, std::int32_t*,
                           const LloydOptions&);
template LloydResult lloyd(const Samples<double>&, CenterView<double>, std::int32_t*,
                           const LloydOptions&);

}  // namespace unitgain
