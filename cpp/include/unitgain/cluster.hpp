// Clustering: k-means by Lloyd's iteration, k-means++, and what samples are to given centres; for
// float and double. Results have the same bits for any number of threads.
//
// Samples are rows of unit column stride, of finite numbers whose squared distances are finite;
// nobody checks. Centres are rows of a contiguous matrix. There is one centre and one feature at
// least.
#pragma once

#include <cstdint>

#include "unitgain/types.hpp"

namespace unitgain {

template <class T>
struct Samples {
  MatrixView<const T> x;
  const T* weights = nullptr;  // of each, at least 0; null: 1
};

template <class T>
struct CenterView {
  T* data;
  Index clusters;
};

// Whether no entry is NaN or infinite.
template <class T>
bool is_finite(const MatrixView<const T>& x);

struct LloydOptions {
  Index most_iterations;
  // Ends it when the centres' moves, squared and summed up, come to no more.
  double tolerance;
  // Whether no further iteration comes, should neither the labels nor the centres have settled.
  bool is_last = true;
};
struct LloydResult {
  Index iterations;
  bool is_stable;  // whether the last iteration changed no label
  bool is_within_tolerance;
};

// Lloyd's iteration: each sample's label becomes that of the nearest centre, the first of equals,
// and each centre the mean of its samples. A cluster without any takes the sample that is farthest
// from its own centre; where all samples lie on their centres, it goes to the largest cluster's.
// labels are those before the first iteration, or -1; then those of the centres, but one step
// behind them if another iteration is to come. Source: Lloyd, "Least squares quantization in PCM",
// 1982.
template <class T>
LloydResult lloyd(const Samples<T>& samples, CenterView<T> centers, std::int32_t* labels,
                  const LloydOptions& options);

// The results of an assignment of samples to their nearest centres; null: not wanted.
template <class T>
struct Assignment {
  std::int32_t* labels;      // of each sample
  T* squares = nullptr;      // of each, its squared distance from that centre
  double* sums = nullptr;    // of each cluster, its samples times their weights; with `totals`
  double* totals = nullptr;  // of each cluster, its samples' weights
};
template <class T>
void assign(const Samples<T>& samples, CenterView<const T> centers, const Assignment<T>& wanted);

// The sum of the samples' squared distances from their centres, by weight.
template <class T>
double inertia(const Samples<T>& samples, CenterView<const T> centers, const std::int32_t* labels);

// Chooses samples as centres: each with a probability that grows with its weight and its squared
// distance from those chosen before, as the best of `trials` that are drawn so. indices: which they
// are. `key` and `stream` name the random numbers. Source: Arthur and Vassilvitskii, "k-means++:
// the advantages of careful seeding", SODA 2007; the trials are those of section 5.
template <class T>
void seed_centers(const Samples<T>& samples, CenterView<T> centers, Index* indices, Index trials,
                  std::uint64_t key, std::uint64_t stream);

// A sample's affinity to a centre at distance d. rbf: exp(-d^2 / (2 h^2)) for the bandwidth h;
// soft: the rbf values over their sum; one_hot: 1 for the nearest, 0 for the others.
enum class Affinity : int { distance, rbf, soft, one_hot };

// out: a row of as many values as there are centres for each sample, contiguous.
template <class T>
void affinities(const MatrixView<const T>& x, CenterView<const T> centers, Affinity kind,
                double bandwidth, T* out);

// For samples in the order of their clusters, cluster c being those from starts[c] on up to
// starts[c + 1]: each one's (b - a) / max(a, b) of the mean distance a from the others of its
// cluster and the least mean distance b from another cluster's; 0 if it is alone. Source:
// Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
// analysis", 1987.
template <class T>
void silhouettes(const MatrixView<const T>& x, const Index* starts, Index clusters, T* out);

}  // namespace unitgain
