#include <algorithm>
#include <vector>

#include "base/shape_text.hpp"
#include "linalg/gram_pinv.hpp"
#include "linalg/pinv_paths.hpp"
#include "linalg/preconditioned_pinv.hpp"
#include "linalg/small_stack.hpp"
#include "linalg/stack.hpp"
#include "unitgain/error.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain {

namespace linalg {

namespace {

// A stack's problems, all as tall matrices of `rows` rows and `cols` columns.
template <class S>
class Stack {
 public:
  explicit Stack(std::span<const PinvProblem<S>> problems)
      : problems_(problems), needs_svd_(problems.size()), waiting_(problems.size()) {
    const MatrixView<const S>& a = problems.front().a;
    wide_ = a.rows < a.cols;
    rows = std::max(a.rows, a.cols);
    cols = std::min(a.rows, a.cols);
    automatic = problems.front().method == PinvMethod::automatic;
    for (std::size_t i = 0; i < problems.size(); ++i) {
      in_place_ = in_place_ && tall(problems[i].out).col_stride == 1;
    }
  }

  Index rows, cols;
  bool automatic;  // or by singular values

  bool is_dense() const { return cols >= least_dense_cols; }

  Index waiting() const { return waiting_.count(); }

  void require_all_finite() const {
    for (const std::size_t i : waiting_.todo()) require_finite(problems_[i].a);
  }

  void by_gram(const Cost& cost) { attempt(cost, carve_gram_pinv<S>, invert_by_gram<S>); }

  void by_preconditioning(const Cost& cost) {
    attempt(cost, carve_preconditioned_pinv<S>, invert_by_preconditioning<S>);
  }

  void in_lanes(const Cost& cost) { pinv_in_lanes(problems_, cost, waiting_); }

  template <class T>
  void by_triangle(const Cost& cost) {
    waiting_.attempt(
        cost,
        [&](Carver& carver, int threads) {
          return carve_triangle_pinv<T, S>(carver, rows, cols, in_place_, threads);
        },
        [&](const runtime::Team& team, std::size_t i, const TrianglePinv<T, S>& workspace) {
          const PinvProblem<S>& problem = problems_[i];
          return !(std::is_same_v<T, double> && needs_svd_[i]) &&
                 invert_by_triangle<T, S>(team, tall(problem.a), tall(problem.out), problem.rcond,
                                          workspace, needs_svd_[i]);
        });
  }

  template <class T>
  void by_svd(const Cost& cost) {
    attempt(
        cost,
        [&](Carver& carver, Index m, Index n, int threads) {
          return carve_svd_pinv<T, S>(carver, m, n, in_place_, threads);
        },
        invert_by_svd<T, S>);
  }

  void by_jacobi(const Cost& cost) {
    attempt(cost, carve_jacobi_pinv, [](const auto&... arguments) {
      invert_by_jacobi<S>(arguments...);
      return true;
    });
  }

 private:
  template <class T>
  MatrixView<T> tall(const MatrixView<T>& a) const {
    return wide_ ? transposed(a) : a;
  }

  template <class Carve, class Invert>
  void attempt(const Cost& cost, Carve&& carve, Invert&& invert) {
    waiting_.attempt(
        cost, [&](Carver& carver, int threads) { return carve(carver, rows, cols, threads); },
        [&](const runtime::Team& team, std::size_t i, const auto& workspace) {
          const PinvProblem<S>& problem = problems_[i];
          return invert(team, tall(problem.a), tall(problem.out), problem.rcond, workspace);
        });
  }

  std::span<const PinvProblem<S>> problems_;
  std::vector<char> needs_svd_;  // as invert_by_triangle() found
  Waiting waiting_;
  bool wide_, in_place_ = true;
};

template <class S>
constexpr bool is_float = std::is_same_v<S, float>;

template <class S>
bool always(const Stack<S>&) {
  return true;
}

template <class S>
bool suits_gram(const Stack<S>& a) {
  return a.automatic && is_for_gram(a.rows, a.cols);
}

template <class S>
bool suits_lanes(const Stack<S>& a) {
  return a.automatic && pay_lanes<S>(a.waiting(), a.rows, a.cols);
}

// In double a small matrix of floats takes no longer.
template <class S>
bool suits_triangle(const Stack<S>& a) {
  return a.automatic && (a.is_dense() || !is_float<S>);
}

template <class S>
bool suits_wide_triangle(const Stack<S>& a) {
  return a.automatic && is_float<S>;
}

template <class S>
bool suits_svd(const Stack<S>& a) {
  return a.is_dense();
}

template <class S>
bool suits_wide_svd(const Stack<S>& a) {
  return a.is_dense() && is_float<S>;
}

// Of an m x n matrix, m >= n: square n^2 + product m n^2 + entry m n nanoseconds on one thread, and
// first + column n barriers.
struct PathCost {
  double square, product, entry, first, column;

  Cost of(Index rows, Index cols, const char* purpose) const {
    const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
    return {square * n * n + product * m * n * n + entry * m * n,
            static_cast<Index>(first + column * n), purpose};
  }
};

// Whether a path leaves a matrix to the next one if an entry is not finite, or all are to be.
enum class Entries { any, finite };

// One way to the pseudoinverses: tried, where it applies, on the matrices that no path before it
// has solved.
template <class S>
struct Path {
  const char* name;  // as an error about its memory says it
  bool (*applies)(const Stack<S>&);
  PathCost cost;
  void (Stack<S>::*attempt)(const Cost&);
  Entries entries;
};

// The same table is in docs/kernels.md.
template <class S>
constexpr Path<S> paths[] = {
    {"the pseudoinverse by A^T A",
     suits_gram<S>,
     {3, 0.06, 0, 10, 0.125},
     &Stack<S>::by_gram,
     Entries::any},
    {"the pseudoinverse by a preconditioned A^T A",
     suits_gram<S>,
     {10, 0.1, 0, 0, 2},
     &Stack<S>::by_preconditioning,
     Entries::any},
    {"the pseudoinverses of small matrices, one a vector lane",
     suits_lanes<S>,
     {0, 0.1, 2, 0, 0},
     &Stack<S>::in_lanes,
     Entries::any},
    {"the pseudoinverse by a QR decomposition",
     suits_triangle<S>,
     {3, 0.1, 0, 0, 2},
     &Stack<S>::template by_triangle<S>,
     Entries::finite},
    {"the pseudoinverse by a QR decomposition in float64",
     suits_wide_triangle<S>,
     {3, 0.1, 0, 0, 2},
     &Stack<S>::template by_triangle<double>,
     Entries::finite},
    {"the pseudoinverse by singular values",
     suits_svd<S>,
     {10, 0.25, 0, 0, 1},
     &Stack<S>::template by_svd<S>,
     Entries::finite},
    {"the pseudoinverse by singular values in float64",
     suits_wide_svd<S>,
     {10, 0.25, 0, 0, 1},
     &Stack<S>::template by_svd<double>,
     Entries::finite},
    {"the pseudoinverse by one-sided Jacobi",
     always<S>,
     {10, 1, 0, 0, 3},
     &Stack<S>::by_jacobi,
     Entries::finite},
};

template <class S>
void invert_stack(std::span<const PinvProblem<S>> problems) {
  Stack<S> stack(problems);
  bool are_finite = false;
  for (const Path<S>& path : paths<S>) {
    if (!path.applies(stack)) continue;
    if (!are_finite && path.entries == Entries::finite) {
      stack.require_all_finite();
      are_finite = true;
    }
    (stack.*path.attempt)(path.cost.of(stack.rows, stack.cols, path.name));
    if (stack.waiting() == 0) return;
  }
}

}  // namespace

}  // namespace linalg

template <class T>
void pinv(std::span<const PinvProblem<T>> problems) {
  for (const PinvProblem<T>& problem : problems) {
    linalg::require_shape(problem.a, problems.front().a);
    if (problem.out.rows != problem.a.cols || problem.out.cols != problem.a.rows) {
      throw ValueError("out has shape " + base::shape_text({problem.out.rows, problem.out.cols}) +
                       ", but a has shape " + base::shape_text({problem.a.rows, problem.a.cols}));
    }
    if (problem.method != problems.front().method) {
      throw ValueError("a stack's pseudoinverses have different methods");
    }
  }
  if (problems.empty() || problems.front().a.rows == 0 || problems.front().a.cols == 0) return;
  linalg::invert_stack(problems);
}

template <class T>
void pinv(MatrixView<const T> a, MatrixView<T> out, double rcond, PinvMethod method) {
  const PinvProblem<T> problem = {a, out, rcond, method};
  pinv(std::span<const PinvProblem<T>>(&problem, 1));
}

template void pinv<float>(std::span<const PinvProblem<float>>);
template void pinv<double>(std::span<const PinvProblem<double>>);
template void pinv<float>(MatrixView<const float>, MatrixView<float>, double, PinvMethod);
template void pinv<double>(MatrixView<const double>, MatrixView<double>, double, PinvMethod);

}  // namespace unitgain
