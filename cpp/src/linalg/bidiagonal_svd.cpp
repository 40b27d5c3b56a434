// Gu and Eisenstat, "A divide-and-conquer algorithm for the bidiagonal SVD", 1995. A row is taken
// out of the middle: what is above it and what is below are bidiagonal matrices of half the size,
// with one column more than rows, but for the last. In the bases of their singular vectors the
// whole has nothing but that row and a diagonal, and its singular values are the roots of a secular
// equation. The halves are halved in turn, down to single rows.
#include "linalg/bidiagonal_svd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/secular.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::linalg {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

// Beside entries near 1, what is below this counts as zero, for the squares of two such numbers,
// and their quotients' squares, are within double's range. A tolerance is never less than a part of
// it.
constexpr double least_entry = 0x1p-250, least_tolerance = 0x1p-260;

// Parts of up to this many rows are solved by one thread of the team each.
constexpr Index most_single = 64;

// The rows [begin, begin + rows) of the matrix and the columns from `begin` on that are not zero
// there. Its right vectors are as many as its columns; those beyond the rows are null vectors.
struct Part {
  Index begin;
  Index rows;
  Index cols;

  Index above() const { return (rows - 1) / 2; }
  Index middle() const { return begin + above(); }
  Index end() const { return begin + rows; }
  Part first() const { return {begin, above(), above() + 1}; }
  Part second() const { return {middle() + 1, rows - above() - 1, cols - above() - 1}; }
};

MatrixView<double> block(MatrixView<double> a, Index row, Index col, Index rows, Index cols) {
  return {a.data + row * a.row_stride + col, rows, cols, a.row_stride, 1};
}

// The joining of two halves that are solved to one part.
class Join {
 public:
  Join(const runtime::Team& team, const BidiagonalSvd& svd, const Part& part, double* scratch,
       std::byte* gemm)
      : team_(team),
        svd_(svd),
        part_(part),
        scratch_(scratch),
        gemm_(gemm),
        items_(svd.items + part.begin),
        has_vectors_(svd.left.data != nullptr) {}

  void run() {
    if (team_.rank() == 0) prepare();
    team_.barrier();
    unknown_ = svd_.unknown[part_.begin];
    for (Index i = 0; i < unknown_; ++i) ++counts_[items_[i].support];
    find_roots();
    team_.barrier();
    find_weights();
    team_.barrier();
    find_turns();
    team_.barrier();
    if (has_vectors_) {
      turn(svd_.left, svd_.left_turns, part_.rows);
      turn(svd_.right, svd_.right_turns, part_.cols);
    }
    if (team_.rank() == 0) finish();
    team_.barrier();
  }

 private:
  double* at(double* array) const { return array + part_.begin; }
  double* row(const MatrixView<double>& a, Index k) const { return a.data + k * a.row_stride; }

  // ---- by one thread: z, and which singular values are not known yet ----

  // Of the right vector of row k: its last element, if it is of the first half, or its first.
  double inner_element(Index k) const {
    const double* vector = row(svd_.right, k);
    if (!has_vectors_) return vector[k <= part_.middle() ? 1 : 0];
    return vector[k <= part_.middle() ? part_.middle() : part_.middle() + 1];
  }

  void rotate(const MatrixView<double>& vectors, Index first, Index second, double c,
              double s) const {
    const Index begin = has_vectors_ ? part_.begin : 0;
    runtime::kernels<double>().vector->rotate(row(vectors, first) + begin,
                                              row(vectors, second) + begin,
                                              has_vectors_ ? part_.cols : 2, c, s);
  }

  void prepare() {
    const Index middle = part_.middle(), null = part_.end();
    const double alpha = svd_.diagonal[middle], beta = svd_.superdiagonal[middle];
    double largest = std::max(std::abs(alpha), std::abs(beta));
    double* const z = svd_.products;
    for (Index k = part_.begin; k < part_.begin + part_.cols; ++k) {
      z[k] = (k <= middle ? alpha : beta) * inner_element(k);
      if (k != middle && k != null) largest = std::max(largest, svd_.values[k]);
    }
    if (has_vectors_) {
      row(svd_.left, middle)[middle] = 1;
    } else {
      // The first and last elements of the halves' vectors become those of the whole's.
      for (Index k = part_.begin; k < part_.begin + part_.cols; ++k) {
        row(svd_.right, k)[k <= middle ? 1 : 0] = 0;
      }
    }
    JoinItem joint = {0, z[middle], middle, above_only};
    if (part_.cols > part_.rows) {
      // Of the halves' null vectors, one takes what both have of the row, and the other stays null.
      joint.z = std::hypot(z[middle], z[null]);
      joint.support = everywhere;
      if (joint.z > 0) rotate(svd_.right, middle, null, z[middle] / joint.z, -z[null] / joint.z);
    }
    // An element below this counts as zero, and two values that are no farther apart as equal.
    const double tolerance = std::max(0.5 * epsilon * largest, least_tolerance);
    if (std::abs(joint.z) <= tolerance) joint.z = std::copysign(tolerance, joint.z);
    deflate(tolerance, joint);
  }

  void deflate(double tolerance, const JoinItem& joint) {
    const Index middle = part_.middle(), begin = part_.begin, end = part_.end();
    std::merge(svd_.order + begin, svd_.order + middle, svd_.order + middle + 1, svd_.order + end,
               svd_.slots + begin,
               [&](Index i, Index j) { return svd_.values[i] < svd_.values[j]; });
    Index unknown = 0, known = part_.rows;
    items_[unknown++] = joint;
    JoinItem held = joint;  // the last that is neither known nor written down; none if it is joint
    for (Index i = 0; i + 1 < part_.rows; ++i) {
      const Index k = svd_.slots[begin + i];
      JoinItem item = {svd_.values[k], svd_.products[k], k, k < middle ? above_only : below_only};
      if (std::abs(item.z) <= tolerance) {
        items_[--known] = item;
        continue;
      }
      if (held.row != middle) {
        if (item.d - held.d <= tolerance) {
          merge(held, item);
          items_[--known] = held;
        } else {
          items_[unknown++] = held;
        }
      }
      held = item;
    }
    if (held.row != middle) items_[unknown++] = held;
    // Zero itself is the joint's pole.
    if (unknown > 1) items_[1].d = std::max(items_[1].d, tolerance / 2);
    svd_.unknown[begin] = unknown;
    describe(unknown);
  }

  // Turns the vectors of two items of one singular value so that the first has no part in the row.
  void merge(JoinItem& first, JoinItem& second) const {
    const double length = std::hypot(first.z, second.z);
    const double c = second.z / length, s = first.z / length;
    rotate(svd_.right, first.row, second.row, c, s);
    if (has_vectors_) rotate(svd_.left, first.row, second.row, c, s);
    second.z = length;
    first.z = 0;
    if (first.support != second.support) first.support = second.support = everywhere;
  }

  // Lays the items out for the kernels, and the vectors' rows by support.
  void describe(Index unknown) {
    Index place[supports] = {0, 0, 0};
    for (Index i = 0; i < unknown; ++i) {
      for (int support = items_[i].support + 1; support < supports; ++support) ++place[support];
    }
    for (Index i = 0; i < unknown; ++i) {
      at(svd_.d)[i] = items_[i].d;
      at(svd_.z)[i] = items_[i].z;
      at(svd_.z2)[i] = items_[i].z * items_[i].z;
      svd_.slots[part_.begin + i] = place[items_[i].support]++;
    }
    if (has_vectors_) return;
    for (Index i = 0; i < part_.rows; ++i) {
      at(svd_.first)[i] = row(svd_.right, items_[i].row)[0];
      at(svd_.last)[i] = row(svd_.right, items_[i].row)[1];
    }
  }

  // ---- by all: the singular values, and the vectors in the basis of the halves' ----

  void find_roots() {
    const SecularEquation equation = {at(svd_.d), at(svd_.z), at(svd_.z2), unknown_};
    const runtime::Range mine = team_.share(unknown_);
    for (Index i = mine.begin; i < mine.end; ++i) {
      svd_.roots[part_.begin + i] = find_root(equation, i);
    }
  }

  // The z of which the roots that were found are the exact ones, by Loewner's formula: it is what
  // makes the vectors orthogonal (Gu and Eisenstat, theorem 3.1).
  void find_weights() {
    const simd::SecularKernels& kernels = runtime::family<simd::SecularKernels>();
    const double* d = at(svd_.d);
    const simd::SecularRoot* roots = svd_.roots + part_.begin;
    double* products = at(svd_.products);
    const runtime::Range mine = team_.share(unknown_, 8);
    std::fill(products + mine.begin, products + mine.end, 1.0);
    for (Index i = 0; i + 1 < unknown_; ++i) {
      const Index cut = std::clamp(i + 1, mine.begin, mine.end);
      kernels.multiply(d + mine.begin, roots[i], d[i + 1], products + mine.begin, cut - mine.begin);
      kernels.multiply(d + cut, roots[i], d[i], products + cut, mine.end - cut);
    }
    const simd::SecularRoot last = roots[unknown_ - 1];
    for (Index j = mine.begin; j < mine.end; ++j) {
      const double square = (d[j] - last.origin) * (d[j] + last.origin) - last.shift;
      const double weight = std::sqrt(std::abs(square * products[j]));
      at(svd_.z)[j] = std::copysign(weight, at(svd_.z)[j]);
    }
  }

  void find_turns() {
    const simd::SecularKernels& kernels = runtime::family<simd::SecularKernels>();
    const simd::VectorKernels<double>& vector = *runtime::kernels<double>().vector;
    double* const left = scratch_;
    double* const right = scratch_ + svd_.n;
    const Index* slots = svd_.slots + part_.begin;
    const runtime::Range mine = team_.share(unknown_);
    for (Index i = mine.begin; i < mine.end; ++i) {
      double squares[2];
      kernels.vectors(at(svd_.d), at(svd_.z), svd_.roots[part_.begin + i], unknown_, left, right,
                      squares);
      const double right_factor = 1 / std::sqrt(squares[1]);
      if (!has_vectors_) {
        double* ends = row(svd_.right, part_.begin + i);
        ends[0] = right_factor * vector.dot(right, at(svd_.first), unknown_);
        ends[1] = right_factor * vector.dot(right, at(svd_.last), unknown_);
        continue;
      }
      // The first row times the vector is the equation's sum, -1.
      left[0] = -1;
      const double left_factor = 1 / std::sqrt(squares[0] + 1);
      double* left_turn = row(svd_.left_turns, part_.begin + i) + part_.begin;
      double* right_turn = row(svd_.right_turns, part_.begin + i) + part_.begin;
      for (Index j = 0; j < unknown_; ++j) {
        left_turn[slots[j]] = left_factor * left[j];
        right_turn[slots[j]] = right_factor * right[j];
      }
    }
  }

  // ---- by all: the vectors themselves ----

  // vectors = turns * vectors for the unknown, in the columns that either half has; the others are
  // put behind them.
  void turn(const MatrixView<double>& vectors, const MatrixView<double>& turns, Index cols) {
    const Index begin = part_.begin;
    const runtime::Range mine = team_.share(part_.rows);
    for (Index i = mine.begin; i < mine.end; ++i) {
      const Index to = i < unknown_ ? svd_.slots[begin + i] : i;
      std::copy_n(row(vectors, items_[i].row) + begin, cols, row(svd_.rows, begin + to) + begin);
    }
    team_.barrier();
    const Index above = part_.above() + 1;
    const Index first_count = counts_[above_only] + counts_[everywhere];
    multiply(vectors, turns, 0, first_count, 0, above);
    team_.barrier();
    multiply(vectors, turns, counts_[above_only], unknown_ - counts_[above_only], above,
             cols - above);
    for (Index i = std::max(mine.begin, unknown_); i < mine.end; ++i) {
      std::copy_n(row(svd_.rows, begin + i) + begin, cols, row(vectors, begin + i) + begin);
    }
    team_.barrier();
  }

  void multiply(const MatrixView<double>& vectors, const MatrixView<double>& turns, Index first,
                Index count, Index first_col, Index cols) {
    const Index begin = part_.begin, col = begin + first_col;
    const MatrixView<double> out = block(vectors, begin, col, unknown_, cols);
    if (count == 0) {
      const runtime::Range mine = team_.share(unknown_);
      for (Index i = mine.begin; i < mine.end; ++i) std::fill_n(row(out, i), cols, 0.0);
      return;
    }
    const MatrixView<double> a = block(turns, begin, begin + first, unknown_, count);
    const MatrixView<double> b = block(svd_.rows, begin + first, col, count, cols);
    ops::Gemm<double> product;
    product.a = {a.data, a.rows, a.cols, a.row_stride, 1};
    product.b = {b.data, b.rows, b.cols, b.row_stride, 1};
    product.c = out;
    ops::gemm(team_, product, gemm_);
  }

  // ---- by one thread: the order of the singular values ----

  void finish() {
    const Index begin = part_.begin;
    double* const values = at(svd_.values);
    for (Index i = 0; i < part_.rows; ++i) {
      svd_.slots[begin + i] = begin + i;
      values[i] = i < unknown_ ? value_of(svd_.roots[begin + i]) : items_[i].d;
      if (has_vectors_ || i < unknown_) continue;
      row(svd_.right, begin + i)[0] = at(svd_.first)[i];
      row(svd_.right, begin + i)[1] = at(svd_.last)[i];
    }
    const auto ascending = [&](Index i, Index j) {
      return svd_.values[i] != svd_.values[j] ? svd_.values[i] < svd_.values[j] : i < j;
    };
    Index* const slots = svd_.slots + begin;
    std::sort(slots + unknown_, slots + part_.rows, ascending);
    std::merge(slots, slots + unknown_, slots + unknown_, slots + part_.rows, svd_.order + begin,
               ascending);
  }

  const runtime::Team& team_;
  const BidiagonalSvd& svd_;
  Part part_;
  double* scratch_;
  std::byte* gemm_;
  JoinItem* items_;
  bool has_vectors_;
  Index unknown_ = 0;
  Index counts_[supports] = {0, 0, 0};
};

class Solver {
 public:
  Solver(const runtime::Team& team, const BidiagonalSvd& svd)
      : team_(team), svd_(svd), scratch_(svd.scratch + team.rank() * 2 * svd.n) {}

  void run() {
    const Part whole = {0, svd_.n, svd_.n};
    solve_small(whole);
    team_.barrier();
    join_large(whole);
  }

 private:
  void solve_small(const Part& part) {
    if (part.rows > most_single) {
      solve_small(part.first());
      solve_small(part.second());
    } else if (count_++ % team_.size() == team_.rank()) {
      solve_alone(part);
    }
  }

  void join_large(const Part& part) {
    if (part.rows <= most_single) return;
    join_large(part.first());
    join_large(part.second());
    Join(team_, svd_, part, scratch_, svd_.gemm).run();
  }

  void solve_alone(const Part& part) {
    if (part.rows <= 1) {
      solve_single(part);
      return;
    }
    solve_alone(part.first());
    solve_alone(part.second());
    Join(runtime::Team(), svd_, part, scratch_, svd_.gemm + team_.rank() * svd_.own_gemm).run();
  }

  // One row of one or two columns, or none of one column.
  void solve_single(const Part& part) {
    const Index k = part.begin;
    double c = 1, s = 0;
    if (part.rows == 1) {
      const double d = svd_.diagonal[k], e = part.cols == 2 ? svd_.superdiagonal[k] : 0;
      const double length = std::hypot(d, e);
      svd_.values[k] = length;
      svd_.order[k] = k;
      if (length > 0) {
        c = d / length;
        s = e / length;
      }
      if (svd_.left.data != nullptr) svd_.left.data[k * (svd_.left.row_stride + 1)] = 1;
    }
    const bool vectors = svd_.left.data != nullptr;
    double* first = svd_.right.data + k * svd_.right.row_stride + (vectors ? k : 0);
    if (part.cols == 1) {
      first[0] = c;
      if (!vectors) first[1] = c;
    } else {
      first[0] = c;
      first[1] = s;
      first[svd_.right.row_stride] = -s;
      first[svd_.right.row_stride + 1] = c;
    }
  }

  const runtime::Team& team_;
  const BidiagonalSvd& svd_;
  double* scratch_;
  int count_ = 0;
};

}  // namespace

BidiagonalSvd carve_bidiagonal_svd(Carver& carver, Index n, bool vectors, int threads) {
  const auto carve = [&](Index cols) {
    const Index stride = cols > 2 ? column_stride<double>(cols) : cols;
    return MatrixView<double>{carver.take<double>(n * stride), n, cols, stride, 1};
  };
  BidiagonalSvd svd{};
  svd.n = n;
  svd.diagonal = carver.take<double>(n);
  svd.superdiagonal = carver.take<double>(n);
  svd.values = carver.take<double>(n);
  svd.order = carver.take<Index>(n);
  svd.items = carver.take<JoinItem>(n);
  svd.unknown = carver.take<Index>(n);
  svd.slots = carver.take<Index>(n);
  for (double** array : {&svd.d, &svd.z, &svd.z2, &svd.products, &svd.first, &svd.last}) {
    *array = carver.take<double>(n);
  }
  svd.roots = carver.take<simd::SecularRoot>(n);
  svd.scratch = carver.take<double>(threads * 2 * n);
  if (!vectors) {
    svd.right = carve(2);
    return svd;
  }
  for (MatrixView<double>* matrix :
       {&svd.left, &svd.right, &svd.left_turns, &svd.right_turns, &svd.rows}) {
    *matrix = carve(std::max<Index>(n, 3));
  }
  const Index single = std::min(n, most_single);
  svd.own_gemm =
      runtime::thread_bytes(ops::gemm_workspace_up_to<double>(single, single, single, 1));
  svd.gemm = carver.take<std::byte>(
      std::max(threads * svd.own_gemm, ops::gemm_workspace_up_to<double>(n, n, n, threads)));
  return svd;
}

bool solve(const runtime::Team& team, const BidiagonalSvd& svd) {
  if (svd.left.data != nullptr) {
    const runtime::Range mine = team.share(svd.n);
    for (const MatrixView<double>& vectors : {svd.left, svd.right}) {
      std::fill_n(vectors.data + mine.begin * vectors.row_stride, mine.size() * vectors.row_stride,
                  0.0);
    }
  }
  double largest = 0;
  for (Index k = 0; k < svd.n; ++k) {
    largest = std::max(largest, std::abs(svd.diagonal[k]));
    if (k + 1 < svd.n) largest = std::max(largest, std::abs(svd.superdiagonal[k]));
  }
  if (!std::isfinite(largest)) return false;
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  team.barrier();
  if (team.rank() == 0) {
    const auto scale = [exponent](double x) {
      const double scaled = std::ldexp(x, -exponent);
      return std::abs(scaled) < least_entry ? 0 : scaled;
    };
    std::transform(svd.diagonal, svd.diagonal + svd.n, svd.diagonal, scale);
    std::transform(svd.superdiagonal, svd.superdiagonal + svd.n - 1, svd.superdiagonal, scale);
  }
  team.barrier();
  Solver(team, svd).run();
  bool finite = true;
  for (Index k = 0; k < svd.n; ++k) finite = finite && std::isfinite(svd.values[k]);
  team.barrier();
  if (team.rank() == 0) {
    for (Index k = 0; k < svd.n; ++k) {
      double& value = svd.values[k];
      value = value < least_entry ? 0 : std::ldexp(value, exponent);
    }
  }
  team.barrier();
  return finite;
}

}  // namespace unitgain::linalg
