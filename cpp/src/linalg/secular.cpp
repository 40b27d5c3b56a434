#include "linalg/secular.hpp"

#include <cmath>
#include <limits>

#include "runtime/dispatch.hpp"
#include "simd/kernels/secular.hpp"

namespace unitgain::linalg {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

// The equation at a point: the poles below the root and those above it have opposite signs.
struct Value {
  double below, below_derivative, above, above_derivative;

  double sum() const { return 1 + below + above; }
  // Whether what the sum is off from zero could be its rounding.
  bool is_zero() const { return std::abs(sum()) <= epsilon * (1 - below + above); }
};

// A root between two poles, or above the last, and the interval that is known to hold it, as shifts
// from the pole that is nearer.
class Search {
 public:
  Search(const SecularEquation& equation, Index i)
      : equation_(equation), kernels_(runtime::family<simd::SecularKernels>()), i_(i) {}

  simd::SecularRoot run() {
    if (i_ + 1 < equation_.n) {
      start_between();
    } else {
      start_above();
    }
    // Each step either comes closer by interpolation or halves the interval; some five are enough,
    // and rounding may keep any criterion from being met.
    for (int step = 0; step < most_steps; ++step) {
      const Value value = evaluate();
      if (value.is_zero()) break;
      (value.sum() < 0 ? low_ : high_) = shift_;
      double next = shift_ + (i_ + 1 < equation_.n ? step_between(value) : step_above(value));
      if (!(next > low_ && next < high_)) next = middle();
      if (!(next > low_ && next < high_)) break;
      if (std::abs(next - shift_) <= epsilon * std::abs(next)) break;
      shift_ = next;
    }
    return {origin_, shift_};
  }

 private:
  static constexpr int most_steps = 200;

  double difference(Index j) const {
    return (equation_.d[j] - origin_) * (equation_.d[j] + origin_);
  }

  Value evaluate() const {
    const Index below = i_ + 1;
    double first[2], second[2];
    const simd::SecularRoot root = {origin_, shift_};
    kernels_.sums(equation_.d, equation_.z2, root, below, first);
    kernels_.sums(equation_.d + below, equation_.z2 + below, root, equation_.n - below, second);
    return {first[0], first[1], second[0], second[1]};
  }

  // Of the halfway point between the poles: which half holds the root, and where in it the equation
  // would be zero if the other poles were as far as they are from there.
  void start_between() {
    const double* z2 = equation_.z2;
    origin_ = equation_.d[i_];
    const double gap = difference(i_ + 1), half = gap / 2;
    shift_ = half;
    const double value = evaluate().sum();
    const double rest = value + z2[i_] / half - z2[i_ + 1] / half;
    if (value >= 0) {
      low_ = 0;
      high_ = half;
      const double a = rest * gap + z2[i_] + z2[i_ + 1], b = z2[i_] * gap;
      const double root = std::sqrt(std::abs(a * a - 4 * b * rest));
      shift_ = a > 0 ? 2 * b / (a + root) : (a - root) / (2 * rest);
    } else {
      origin_ = equation_.d[i_ + 1];
      low_ = -half;
      high_ = 0;
      const double a = rest * gap - z2[i_] - z2[i_ + 1], b = z2[i_ + 1] * gap;
      const double root = std::sqrt(std::abs(a * a + 4 * b * rest));
      shift_ = a < 0 ? 2 * b / (a - root) : -(a + root) / (2 * rest);
    }
    if (!(shift_ > low_ && shift_ < high_)) shift_ = middle();
  }

  void start_above() {
    origin_ = equation_.d[i_];
    low_ = 0;
    high_ = 0;
    for (Index j = 0; j < equation_.n; ++j) high_ += equation_.z2[j];
    shift_ = high_;
    // The interval's end is the root itself if this is the only pole, but for rounding.
    high_ *= 1 + 4 * epsilon * static_cast<double>(equation_.n);
  }

  // The zero of c + p / (first - x) + q / (second - x), with the poles next to the root, and with
  // value and both sides' derivatives as at the present point: Li, "Solving secular equations
  // stably and efficiently", LAPACK Working Note 89, 1993, "the middle way".
  double step_between(const Value& value) const {
    const double first = difference(i_) - shift_, second = difference(i_ + 1) - shift_;
    const double sum = value.sum();
    const double c = sum - first * value.below_derivative - second * value.above_derivative;
    const double a =
        (first + second) * sum - first * second * (value.below_derivative + value.above_derivative);
    const double b = first * second * sum;
    const double root = std::sqrt(std::abs(a * a - 4 * b * c));
    return a <= 0 ? (a - root) / (2 * c) : 2 * b / (a + root);
  }

  // The zero of c + p / (last - x), likewise: Bunch, Nielsen and Sorensen, "Rank-one modification
  // of the symmetric eigenproblem", 1978.
  double step_above(const Value& value) const {
    const double last = difference(i_) - shift_;
    const double p = last * last * value.below_derivative;
    const double c = value.sum() - last * value.below_derivative;
    return last + p / c;
  }

  // Halfway in the interval, by magnitude where its ends are far from each other.
  double middle() const {
    if (low_ == 0) return high_ / 16;
    if (high_ == 0) return low_ / 16;
    if (low_ > 0 && high_ > 4 * low_) return std::sqrt(low_) * std::sqrt(high_);
    if (high_ < 0 && low_ < 4 * high_) return -std::sqrt(-low_) * std::sqrt(-high_);
    return low_ + (high_ - low_) / 2;
  }

  const SecularEquation& equation_;
  const simd::SecularKernels& kernels_;
  Index i_;
  double origin_ = 0, shift_ = 0, low_ = 0, high_ = 0;
};

}  // namespace

simd::SecularRoot find_root(const SecularEquation& equation, Index i) {
  return Search(equation, i).run();
}

double value_of(simd::SecularRoot root) {
  const double above = root.origin + std::sqrt(root.origin * root.origin + root.shift);
  return root.origin + root.shift / above;
}

}  // namespace unitgain::linalg
