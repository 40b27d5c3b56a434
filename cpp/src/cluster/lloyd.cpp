// Lloyd's iteration.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "cluster/assignment.hpp"
#include "cluster/chunks.hpp"
#include "cluster/screen.hpp"
#include "simd/kernels/cluster.hpp"

namespace unitgain {

namespace cluster {

namespace {

constexpr const char* purpose = "k-means";

// Bounds tell which samples need no look at the centres, after Hamerly, "Making k-means even
// faster", SDM 2010: u of the distance from the own centre, from above, and l of that from any
// other, from below, which move as the centres do. A label stays while u < l, or while u is below
// half of the way from the own centre to the next.
//
// With rounding errors in mind: a squared distance that a product gives is off by at most E = error
// (||x|| + ||c||)^2, the centres' mean subtracted from both; ||c|| is at most `radius` while
// neither the centres nor their mean get far, and else all bounds start anew. Later distances of a
// sample are then off by at most 4 E of when its bounds were taken with that radius in place of
// ||c||. The kernel `bounds` adds 20 E to u^2 and takes it from l^2, so that where u < l the true
// squared distances differ by more than 8 E: the labels are those that looking would give. The
// bounds change the time and not the result.
//
// Neither does the screen (screen.hpp), which looks faster and is surer of less: only where its two
// least distances differ by more than both are off by and by what the products can tell does a
// label count, and its bounds start from distances that are off by as much. Where it can tell few
// samples (an outlier among the centres makes it unsure of all) it is given up.
template <class T>
class Lloyd {
 public:
  Lloyd(const Samples<T>& samples, CenterView<T> centers, std::int32_t* labels, int threads)
      : samples_(samples),
        centers_{centers.data, centers.clusters, samples.x.cols, samples.x.cols, 1},
        labels_(labels),
        needs_bounds_(samples.x.cols > simd::most_short ||
                      centers.clusters * (samples.x.cols + 4) > most_without_bounds),
        packed_(centers.clusters, samples.x.cols),
        sums_(samples.x.rows, centers.clusters, samples.x.cols),
        changed_(static_cast<std::size_t>(sums_.chunks())),
        looks_(static_cast<std::size_t>(sums_.chunks())),
        uppers_(needs_bounds_ ? samples.x.rows : 0, purpose),
        lowers_(needs_bounds_ ? samples.x.rows : 0, purpose),
        rises_(centers.clusters, purpose),
        falls_(centers.clusters, purpose),
        halves_(centers.clusters, purpose),
        means_(centers.clusters * samples.x.cols, purpose),
        mean_(static_cast<std::size_t>(samples.x.cols)),
        squares_(samples.x.rows, purpose) {
    const Index most_open = samples.x.rows / sums_.chunks() + 1;
    for (int i = 0; i < threads; ++i) {
      blocks_.emplace_back(centers.clusters, samples.x.cols);
      open_.emplace_back(most_open, purpose);
      same_.emplace_back(centers.clusters, purpose);
      apart_.emplace_back(centers.clusters, purpose);
      unsure_.emplace_back(most_open, purpose);
    }
    if (Screen<T>::pays(samples.x, centers.clusters)) {
      screen_.emplace(samples, centers.clusters, threads);
    }
    farthest_.reserve(static_cast<std::size_t>(centers.clusters) + 1);
  }

  // For a team: one iteration. The members know the result alike.
  void iterate(const runtime::Team& team, double tolerance, bool is_last) {
    label_all(team);
    const bool is_stable = std::find(changed_.begin(), changed_.end(), 1) == changed_.end();
    const bool is_exact = starts_anew_ || is_stable || is_last;
    if (is_exact && !starts_anew_) sum_again(team);
    find_means(team);
    // The result so far is within rounding errors of the samples' sums, which stay as they are.
    if (!is_exact && moved_ <= tolerance) {
      sum_again(team);
      find_means(team);
    }
    if (team.rank() == 0) {
      is_stable_ = is_stable;
      is_within_tolerance_ = moved_ <= tolerance;
      std::copy(means_.begin(), means_.end(), centers_.data);
    }
    team.barrier();
  }

  // For a team: gives every sample the label of the nearest centre as it is, and tells the chunks
  // where one has changed.
  void label_all(const runtime::Team& team) {
    packed_.take(team, matrix());
    if (screen_ && !has_bounds_) screen_->take_samples(team);
    team.barrier();
    if (team.rank() == 0) {
      check_bounds();
      if (screen_) screen_->take_centers(matrix(), packed_.shift());
    }
    measure_halves(team);
    team.barrier();
    const runtime::Range mine = team.share(sums_.chunks());
    for (Index chunk = mine.begin; chunk < mine.end; ++chunk) {
      changed_[static_cast<std::size_t>(chunk)] = label(team.rank(), chunk);
    }
    team.barrier();
    if (team.rank() == 0 && screen_) check_screen();
  }

  bool is_stable() const { return is_stable_; }
  bool is_within_tolerance() const { return is_within_tolerance_; }

 private:
  // For what rounds to nearest and is to be a bound from above.
  static constexpr T upward = T(1) + T(16) * std::numeric_limits<T>::epsilon();
  // How large a part of the samples may be open before all are taken as they lie in memory.
  static constexpr double most_open_part = 0.75;
  // Of a block for the screen.
  static constexpr Index most_screened_rows =
      ops::most_block_rows / simd::screen_rows * simd::screen_rows;
  // How large a part of its samples the screen may be unsure of.
  static constexpr double most_unsure_part = 0.3;
  // Of short rows, up to which clusters * (features + 4) looking is cheaper than bounds (Zen 4,
  // benchmarks/clustering.py).
  static constexpr Index most_without_bounds = 384;
  // From how many samples for each cluster on the centres' own distances are worth while.
  static constexpr Index least_samples_a_cluster = 16;

  MatrixView<const T> matrix() const {
    return {centers_.data, centers_.rows, centers_.cols, centers_.row_stride, 1};
  }

  // Gives the screen up where most of its work is in vain.
  void check_screen() {
    Index looked = 0, unsure = 0;
    for (const Looks& looks : looks_) {
      looked += looks.all;
      unsure += looks.unsure;
    }
    if (static_cast<double>(unsure) > most_unsure_part * static_cast<double>(looked)) {
      screen_.reset();
    }
  }

  // Whether the bounds hold for the centres as packed, or from which radius on they are to be.
  void check_bounds() {
    const T* shift = packed_.shift();
    double drift = 0;
    for (Index j = 0; j < centers_.cols; ++j) {
      const double step =
          static_cast<double>(shift[j]) - static_cast<double>(mean_[static_cast<std::size_t>(j)]);
      drift += step * step;
    }
    largest_square_ = packed_.largest_square();
    const double farthest = std::sqrt(static_cast<double>(largest_square_));
    starts_anew_ = !has_bounds_ || !(std::sqrt(drift) + farthest <= radius_);
    if (!starts_anew_) return;
    has_bounds_ = true;
    radius_ = 2 * farthest;
    std::copy_n(shift, centers_.cols, mean_.begin());
  }

  // Half of the way from each centre to the next, from below; 0 where to find out costs as much as
  // to look at the samples.
  void measure_halves(const runtime::Team& team) {
    const Index clusters = centers_.rows, cols = centers_.cols;
    const runtime::Range mine = team.share(clusters);
    if (!needs_bounds_) return;
    const bool is_cheap = least_samples_a_cluster * clusters <= samples_.x.rows;
    const auto rank = static_cast<std::size_t>(team.rank());
    const base::AlignedBuffer<std::int32_t>& same = same_[rank];
    const base::AlignedBuffer<T>& apart = apart_[rank];
    for (Index i = mine.begin; i < mine.end; ++i) {
      T least = is_cheap ? std::numeric_limits<T>::infinity() : T{0};
      if (is_cheap) {
        std::fill(same.begin(), same.end(), static_cast<std::int32_t>(i));
        runtime::kernels<T>().cluster->distances_to(packed_.centered(), cols, packed_.centered(),
                                                    cols, same.data(), clusters, cols,
                                                    apart.data());
        for (Index j = 0; j < clusters; ++j) {
          if (j != i) least = std::min(least, apart[j]);
        }
      }
      halves_[i] = std::sqrt(least) / 2 * (T{1} - 16 * std::numeric_limits<T>::epsilon());
    }
  }

  // Returns whether the labels of a chunk's samples have changed, its sums being of the new ones.
  bool label(int rank, Index chunk) {
    const runtime::Range range = chunk_rows(chunk, sums_.chunks(), samples_.x.rows);
    const Index most = ops::SampleBlock<T>::most_rows(centers_.rows, centers_.cols);
    const std::int32_t* open = nullptr;
    runtime::Range places = range;
    if (starts_anew_) {
      sums_.clear_chunk(chunk);
    } else if (needs_bounds_) {
      std::int32_t* found = open_[static_cast<std::size_t>(rank)].data();
      const Index count = runtime::kernels<T>().cluster->move_bounds(
          uppers_.data() + range.begin, lowers_.data() + range.begin, labels_ + range.begin,
          rises_.data(), falls_.data(), halves_.data(), range.size(), range.begin, found);
      if (static_cast<double>(count) < most_open_part * static_cast<double>(range.size())) {
        open = found;
        places = {0, count};
      }
    }
    bool changed = false;
    if (screen_) {
      const Index count = places.size();
      std::int32_t* unsure = unsure_[static_cast<std::size_t>(rank)].data();
      Index left = 0;
      for_each_block(places, most_screened_rows, [&](Index first, Index rows) {
        changed |= screen_block(rank, chunk, open, first, rows, unsure, left);
      });
      looks_[static_cast<std::size_t>(chunk)] = {count, left};
      open = unsure;
      places = {0, left};
    }
    for_each_block(places, most, [&](Index first, Index rows) {
      changed |= label_block(rank, chunk, open, first, rows);
    });
    if (starts_anew_) add(chunk, range.begin, range.size());
    return changed;
  }

  // Labels what the screen can tell of a block's samples, and adds the others to `unsure`.
  bool screen_block(int rank, Index chunk, const std::int32_t* open, Index first, Index rows,
                    std::int32_t* unsure, Index& count) {
    std::int32_t found[ops::most_block_rows];
    T values[ops::most_block_rows], seconds[ops::most_block_rows];
    T squares[ops::most_block_rows], slacks[ops::most_block_rows];
    T uppers[ops::most_block_rows], lowers[ops::most_block_rows];
    screen_->find_nearest(rank, first, rows, open, found, values, seconds, squares, slacks);
    const T error = ops::product_error<T>(centers_.cols);
    const auto apart = static_cast<T>(screen_->apart());
    bool is_sure[ops::most_block_rows];
    for (Index i = 0; i < rows; ++i) {
      const T apart_square = T{3} * (squares[i] + apart * apart);
      const T margin = 8 * error * (apart_square + largest_square_);
      is_sure[i] = seconds[i] - values[i] > 2 * slacks[i] + margin;
      values[i] += slacks[i];
      seconds[i] -= slacks[i];
    }
    runtime::kernels<T>().cluster->bounds(values, seconds, squares, rows,
                                          static_cast<T>(radius_) + apart, error, uppers, lowers);
    std::int32_t moved[ops::most_block_rows], from[ops::most_block_rows];
    Index moves = 0;
    for (Index i = 0; i < rows; ++i) {
      const auto sample = static_cast<std::int32_t>(open == nullptr ? first + i : open[first + i]);
      if (!is_sure[i]) {
        unsure[count++] = sample;
        continue;
      }
      uppers_[sample] = uppers[i];
      lowers_[sample] = lowers[i];
      moved[moves] = sample;
      from[moves] = labels_[sample];
      moves += labels_[sample] != found[i] ? 1 : 0;
      labels_[sample] = found[i];
    }
    if (!starts_anew_) move(chunk, moved, from, moves);
    return moves > 0;
  }

  // Takes samples, whose rows have not been read, from one cluster's sums each to another's.
  void move(Index chunk, const std::int32_t* samples, const std::int32_t* from, Index count) {
    constexpr Index ahead = 8, line_values = static_cast<Index>(64 / sizeof(T));
    const MatrixView<const T>& x = samples_.x;
    for (Index i = 0; i < count; ++i) {
      if (i + ahead < count) {
        const T* row = x.data + samples[i + ahead] * x.row_stride;
        for (Index j = 0; j < std::min(x.cols, 8 * line_values); j += line_values) {
          __builtin_prefetch(row + j);
        }
      }
      move(chunk, samples[i], from[i], labels_[samples[i]]);
    }
  }

  bool label_block(int rank, Index chunk, const std::int32_t* open, Index first, Index rows) {
    const auto& kernels = *runtime::kernels<T>().cluster;
    ops::SampleBlock<T>& block = blocks_[static_cast<std::size_t>(rank)];
    std::int32_t found[ops::most_block_rows];
    T values[ops::most_block_rows], seconds[ops::most_block_rows];
    T uppers[ops::most_block_rows], lowers[ops::most_block_rows];
    block.take_nearest(samples_.x, first, rows, open, packed_, largest_square_, found, values,
                       seconds);
    if (!needs_bounds_) return relabel(chunk, first, rows, found);
    kernels.bounds(values, seconds, block.squares(), rows, static_cast<T>(radius_),
                   ops::product_error<T>(centers_.cols), uppers, lowers);
    bool changed = false;
    for (Index i = 0; i < rows; ++i) {
      const Index sample = open == nullptr ? first + i : open[first + i];
      uppers_[sample] = uppers[i];
      lowers_[sample] = lowers[i];
      const std::int32_t before = labels_[sample];
      if (found[i] == before) continue;
      changed = true;
      labels_[sample] = found[i];
      if (!starts_anew_) move(chunk, sample, before, found[i]);
    }
    return changed;
  }

  // Gives samples in order the labels found.
  bool relabel(Index chunk, Index first, Index rows, const std::int32_t* found) {
    std::int32_t* labels = labels_ + first;
    const auto bytes = static_cast<std::size_t>(rows) * sizeof(std::int32_t);
    const bool changed = std::memcmp(labels, found, bytes) != 0;
    if (changed && !starts_anew_) {
      for (Index i = 0; i < rows; ++i) {
        if (found[i] != labels[i]) move(chunk, first + i, labels[i], found[i]);
      }
    }
    if (changed) std::memcpy(labels, found, bytes);
    return changed;
  }

  // Takes a sample from one cluster's sums to another's.
  void move(Index chunk, Index sample, std::int32_t from, std::int32_t to) {
    const MatrixView<const T>& x = samples_.x;
    const double weight = weight_of(sample);
    if (weight == 0) return;
    double* sums = sums_.chunk_sums(chunk);
    runtime::kernels<T>().cluster->move_in_sums(x.data + sample * x.row_stride, weight, x.cols,
                                                sums + from * x.cols, sums + to * x.cols);
    sums_.chunk_totals(chunk)[from] -= weight;
    sums_.chunk_totals(chunk)[to] += weight;
    sums_.chunk_counts(chunk)[from] -= 1;
    sums_.chunk_counts(chunk)[to] += 1;
  }

  // Adds samples to their clusters' sums.
  void add(Index chunk, Index first, Index rows) {
    const MatrixView<const T>& x = samples_.x;
    runtime::kernels<T>().cluster->add_to_sums(
        x.data + first * x.row_stride, x.row_stride, labels_ + first,
        samples_.weights == nullptr ? nullptr : samples_.weights + first, rows, x.cols,
        sums_.chunk_sums(chunk));
    double* totals = sums_.chunk_totals(chunk);
    double* counts = sums_.chunk_counts(chunk);
    for (Index i = first; i < first + rows; ++i) {
      const double weight = weight_of(i);
      totals[labels_[i]] += weight;
      if (weight != 0) counts[labels_[i]] += 1;
    }
  }

  // For a team: the chunks' sums from nothing, without what taking samples away left.
  void sum_again(const runtime::Team& team) {
    team.barrier();
    const runtime::Range mine = team.share(sums_.chunks());
    for (Index chunk = mine.begin; chunk < mine.end; ++chunk) {
      sums_.clear_chunk(chunk);
      const runtime::Range range = chunk_rows(chunk, sums_.chunks(), samples_.x.rows);
      add(chunk, range.begin, range.size());
    }
    team.barrier();
  }

  // For a team: the means of the clusters' samples, and how far they are from the centres.
  void find_means(const runtime::Team& team) {
    sums_.add_up(team);
    team.barrier();
    const double* counts = sums_.counts();
    if (std::find(counts, counts + centers_.rows, 0.0) != counts + centers_.rows) relocate(team);
    if (team.rank() == 0) divide();
    team.barrier();
  }

  double weight_of(Index sample) const {
    return samples_.weights == nullptr ? 1.0 : static_cast<double>(samples_.weights[sample]);
  }

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
    const double* counts = sums_.counts();
    const auto empty = static_cast<std::size_t>(std::count(counts, counts + centers_.rows, 0.0));
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
      if (counts[cluster] == 0.0) move_sample(farthest_[next++], cluster);
    }
  }

  void move_sample(Index sample, Index to) {
    const Index from = labels_[sample];
    const double weight = weight_of(sample);
    double* sums = sums_.sums();
    for (Index j = 0; j < centers_.cols; ++j) {
      const double value =
          weight * static_cast<double>(samples_.x.data[sample * samples_.x.row_stride + j]);
      sums[from * centers_.cols + j] -= value;
      sums[to * centers_.cols + j] = value;
    }
    sums_.totals()[from] -= weight;
    sums_.totals()[to] = weight;
    if (weight == 0) return;
    sums_.counts()[from] -= 1;
    sums_.counts()[to] = 1;
  }

  // Sums to means, of a cluster without samples that of the largest.
  void divide() {
    const double* totals = sums_.totals();
    const Index largest = std::max_element(totals, totals + centers_.rows) - totals;
    moved_ = 0;
    for (Index i = 0; i < centers_.rows; ++i) {
      const Index from = sums_.counts()[i] > 0 ? i : largest;
      const double* sums = sums_.sums() + from * centers_.cols;
      const T* center = centers_.data + i * centers_.cols;
      T* mean = means_.data() + i * centers_.cols;
      double square = 0;
      for (Index j = 0; j < centers_.cols; ++j) {
        mean[j] = static_cast<T>(sums[j] / totals[from]);
        const double step = static_cast<double>(mean[j]) - static_cast<double>(center[j]);
        square += step * step;
      }
      rises_[i] = static_cast<T>(std::sqrt(square)) * upward;
      moved_ += square;
    }
    find_falls();
  }

  // For each centre, the largest of the others' moves.
  void find_falls() {
    T first = 0, second = 0;
    for (const T rise : rises_) {
      second = std::max(second, std::min(first, rise));
      first = std::max(first, rise);
    }
    for (Index i = 0; i < centers_.rows; ++i) falls_[i] = rises_[i] == first ? second : first;
  }

  // How many samples of a chunk the screen has looked at, and how many it could not tell.
  struct Looks {
    Index all, unsure;
  };

  Samples<T> samples_;
  MatrixView<T> centers_;
  std::int32_t* labels_;
  bool needs_bounds_;  // whether looking at the centres takes longer than moving bounds
  ops::PackedCenters<T> packed_;
  ClusterSums sums_;
  std::vector<char> changed_;  // of each chunk
  std::optional<Screen<T>> screen_;
  std::vector<Looks> looks_;  // of each chunk
  std::vector<ops::SampleBlock<T>> blocks_;
  std::vector<base::AlignedBuffer<std::int32_t>> unsure_;  // of a chunk, what the screen leaves
  std::vector<base::AlignedBuffer<std::int32_t>> open_;    // of a chunk, the samples to look at
  std::vector<base::AlignedBuffer<std::int32_t>> same_;    // of each member, for measure_halves()
  std::vector<base::AlignedBuffer<T>> apart_;
  base::AlignedBuffer<T> uppers_, lowers_;         // u and l of each sample
  base::AlignedBuffer<T> rises_, falls_, halves_;  // how the centres' moves change them, and limits
  base::AlignedBuffer<T> means_;                   // where the centres go
  std::vector<T> mean_;                            // the centres', when the bounds began
  double moved_ = 0;  // the sum of the squared distances from the centres to the means
  double radius_ = 0;
  T largest_square_ = 0;  // of the centres as packed
  bool has_bounds_ = false, starts_anew_ = true;
  base::AlignedBuffer<T> squares_;
  std::vector<Index> farthest_;
  bool is_stable_ = false, is_within_tolerance_ = false;
};

}  // namespace

}  // namespace cluster

template <class T>
LloydResult lloyd(const Samples<T>& samples, CenterView<T> centers, std::int32_t* labels,
                  const LloydOptions& options) {
  constexpr int barriers = 8;
  const MatrixView<const T>& x = samples.x;
  const runtime::TeamSize size =
      runtime::threads_for(ops::distances_work(x.rows, centers.clusters, x.cols), barriers);
  cluster::Lloyd<T> state(samples, centers, labels, size.threads);
  LloydResult result = {0, false, false};
  runtime::parallel(size, [&](const runtime::Team& team) {
    for (Index i = 0; i < options.most_iterations; ++i) {
      state.iterate(team, options.tolerance, i + 1 == options.most_iterations);
      if (team.rank() == 0) {
        result = {i + 1, state.is_stable(), state.is_within_tolerance()};
      }
      if (state.is_stable() || state.is_within_tolerance()) break;
    }
    if (!state.is_stable() && (state.is_within_tolerance() || options.is_last)) {
      state.label_all(team);
    }
  });
  return result;
}

template LloydResult lloyd(const Samples<float>&, CenterView<float>, std::int32_t*,
                           const LloydOptions&);
template LloydResult lloyd(const Samples<double>&, CenterView<double>, std::int32_t*,
                           const LloydOptions&);

}  // namespace unitgain
