// One-sided Jacobi after Hestenes (1958) with de Rijk's ordering of the norms (1989) and the
// blocked round-robin of parallel Jacobi methods (Luk and Park, "On parallel Jacobi orderings",
// 1989).
//
// Why it ends: a rotation of two columns at an angle of cosine g leaves their other inner products'
// squares' sum as it is and divides the product of their lengths, ||x|| ||y||, by 1 / sqrt(1 -
// g^2). Only pairs with g above a tolerance are rotated, and the product of all lengths cannot fall
// below |det|, so the rotations are finitely many; once the angles are small they converge
// quadratically. The sweeps are bounded all the same: from any state X J is a true product of
// rotations, and rounding alone can keep an angle at the tolerance.
#include "linalg/jacobi_svd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

constexpr int most_sweeps = 60;
// Columns to a block. A task rotates the columns of one block with those of another, and has all
// its operands in the first or second level cache.
constexpr Index block = 4;

struct Pair {
  Index first;
  Index second;
};

// The pairs first <= second of n numbers with (first + second) mod n = round, which have no number
// in common. Taken over the rounds 0, 1, ... this is the row-cyclic order (0, 1), (0, 2), ..., (1,
// 2), ... with sweeps that overlap: a pair is always met after those of its row and of its column
// that precede it there. Row-cyclic order with sorted norms needs some two sweeps fewer than a
// tournament.
class Round {
 public:
  Round(Index n, Index round) : n_(n), round_(round), low_(round / 2 + 1) {}
  Index size() const { return low_ + (round_ + n_) / 2 - round_; }
  Pair operator[](Index i) const {
    if (i < low_) return {i, round_ - i};
    const Index first = round_ + 1 + i - low_;
    return {first, round_ + n_ - first};
  }

 private:
  Index n_;
  Index round_;
  Index low_;  // pairs whose sum is `round` and not round + n
};

template <class T>
class Sweep {
 public:
  Sweep(const JacobiProblem<T>& problem, double tolerance)
      : problem_(problem),
        vector_(*runtime::kernels<T>().vector),
        rows_(padded<T>(problem.x.rows)),
        tolerance_(tolerance) {}

  // All pairs of a column of one block and a column of the other, or within one block, in
  // row-cyclic order; the pairs of one antidiagonal are independent.
  void rotate_blocks(Pair blocks) {
    const Index first = blocks.first * block, second = blocks.second * block;
    for (Index sum = 0; sum <= 2 * block - 2; ++sum) {
      Pair pairs[block];
      Index count = 0;
      for (Index i = std::max<Index>(0, sum - block + 1); i <= std::min(sum, block - 1); ++i) {
        const Pair pair = {first + i, second + sum - i};
        if (pair.first < pair.second && pair.second < problem_.x.count) pairs[count++] = pair;
      }
      rotate(pairs, count);
    }
    turn_rotations();
  }

  SweepRecord record = {0, 0};

 private:
  // Rotates pairs that have no column in common. All inner products are taken first, so that the
  // CPU can overlap the long chains of square roots and divisions that follow.
  void rotate(const Pair* pairs, Index count) {
    T products[block];
    for (Index i = 0; i < count; ++i) {
      products[i] = vector_.dot(problem_.x[pairs[i].first], problem_.x[pairs[i].second], rows_);
    }
    for (Index i = 0; i < count; ++i) rotate(pairs[i], products[i]);
  }

  void rotate(Pair pair, double product) {
    double& p = problem_.squares[pair.first];
    double& q = problem_.squares[pair.second];
    if (std::min(p, q) < negligible_square<T>) return;
    const double lengths = std::sqrt(p * q);
    const double cosine = std::abs(product) / lengths;
    if (!(cosine > tolerance_)) return;

    // The tangent of the smaller angle that makes both orthogonal: Golub and Van Loan, "Matrix
    // Computations", 4th edition, section 8.6.3.
    const double zeta = (q - p) / (2 * product);
    const double tangent = std::copysign(1 / (std::abs(zeta) + std::sqrt(1 + zeta * zeta)), zeta);
    // The cosine as 1 less something small: rounded in one place, to either side. Its plain formula
    // 1 / sqrt(1 + t^2) is nearly always rounded up when t is small, and the columns would grow.
    const double square = tangent * tangent, secant = std::sqrt(1 + square);
    double c = 1 - square / (1 + square + secant);
    double s = tangent / secant;
    if (tangent * product > 0) {
      // The second would become the longer: a quarter turn more exchanges them.
      const double sine = s;
      s = -c;
      c = sine;
    }
    record.cosine = std::max(record.cosine, cosine);
    record.movement = std::max(record.movement, std::abs(tangent) * (std::max(p, q) / lengths));

    T squares[2];
    vector_.rotate_squares(problem_.x[pair.first], problem_.x[pair.second], rows_,
                           static_cast<T>(c), static_cast<T>(s), squares);
    p = squares[0];
    q = squares[1];
    turns_[turn_count_++] = {pair, static_cast<T>(c), static_cast<T>(s)};
  }

  // Repeats what was done to X's columns, after all of a task, so that X's columns and these are
  // not in the first-level cache together.
  void turn_rotations() {
    if (problem_.rotations.data != nullptr) {
      const Index rows = padded<T>(problem_.rotations.rows);
      for (Index i = 0; i < turn_count_; ++i) {
        const Turn& turn = turns_[i];
        vector_.rotate(problem_.rotations[turn.pair.first], problem_.rotations[turn.pair.second],
                       rows, turn.c, turn.s);
      }
    }
    turn_count_ = 0;
  }

  struct Turn {
    Pair pair;
    T c;
    T s;
  };

  const JacobiProblem<T>& problem_;
  const simd::VectorKernels<T>& vector_;
  Index rows_;
  double tolerance_;
  Turn turns_[block * block];
  Index turn_count_ = 0;
};

}  // namespace

template <class T>
void orthogonalize(const runtime::Team& team, const JacobiProblem<T>& problem) {
  const simd::VectorKernels<T>& vector = *runtime::kernels<T>().vector;
  const Index n = problem.x.count;
  const Index blocks = (n + block - 1) / block;
  // Near the rounding error of an inner product of unit vectors. Rotating by what is mere rounding
  // does no harm, while n pairs left at a larger angle would add up.
  constexpr double tolerance = 2 * std::numeric_limits<T>::epsilon();
  const runtime::Range columns = team.share(n);
  for (Index j = columns.begin; j < columns.end; ++j) {
    problem.squares[j] = vector.dot(problem.x[j], problem.x[j], padded<T>(problem.x.rows));
  }
  team.barrier();

  for (int count = 0; count < most_sweeps; ++count) {
    Sweep<T> sweep(problem, tolerance);
    SweepRecord* records = problem.records + (count % 2) * team.size();
    for (Index r = 0; r < blocks; ++r) {
      const Round round(blocks, r);
      const runtime::Range mine = team.share(round.size());
      for (Index i = mine.begin; i < mine.end; ++i) sweep.rotate_blocks(round[i]);
      if (r == blocks - 1) records[team.rank()] = sweep.record;
      team.barrier();
    }
    SweepRecord all = {0, 0};
    for (int rank = 0; rank < team.size(); ++rank) {
      all.cosine = std::max(all.cosine, records[rank].cosine);
      all.movement = std::max(all.movement, records[rank].movement);
    }
    // After its own rotation a pair's cosine changes only as the later rotations of its two columns
    // add parts of other columns, at most 2 n times: the first condition bounds what is left by the
    // tolerance. The second is for equal lengths, where rounding alone calls for any rotation.
    const double rounding = tolerance * (2 + std::sqrt(static_cast<double>(n)) / 4);
    if (2 * static_cast<double>(n) * all.cosine * all.movement <= tolerance) break;
    if (all.cosine <= rounding) break;
  }
}

#define UNITGAIN_INSTANTIATE(T) \
  template void orthogonalize<T>(const runtime::Team&, const JacobiProblem<T>&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
