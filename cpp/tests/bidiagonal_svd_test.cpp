// Divide and conquer on bidiagonal matrices, and the reduction to them; the Python tests compare
// whole decompositions with mpmath's and NumPy's.
#include "linalg/bidiagonal_svd.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "check.hpp"
#include "linalg/bidiagonalize.hpp"
#include "memory.hpp"

namespace unitgain::tests {

using linalg::BidiagonalSvd;
using linalg::Carver;

// A matrix by its diagonal and superdiagonal, as functions of the row and of random numbers.
struct Bidiagonal {
  std::string name;
  std::function<double(Index, double)> diagonal, superdiagonal;
};

static const std::vector<Bidiagonal>& bidiagonals() {
  const auto random = [](Index, double r) { return r; };
  const auto zero = [](Index, double) { return 0.0; };
  const auto one = [](Index, double) { return 1.0; };
  const auto graded = [](Index k, double r) { return r * std::pow(10.0, -static_cast<double>(k)); };
  const auto tiny = [](Index, double r) { return 1e-9 * r; };
  static const std::vector<Bidiagonal> all = {
      {"random", random, random},
      {"zero", zero, zero},
      {"diagonal of equals", one, zero},
      {"one cluster", one, tiny},
      {"equals", one, one},
      {"nilpotent", zero, one},
      {"graded", graded, graded},
      {"with zeros", [](Index k, double r) { return k % 3 == 1 ? 0 : r; },
       [](Index k, double r) { return k % 4 == 2 ? 0 : r; }},
      {"one row", [](Index k, double) { return k == 0 ? 1.0 : 0.0; },
       [](Index k, double) { return k == 0 ? 1.0 : 0.0; }},
      {"Wilkinson's", [](Index k, double) { return std::abs(static_cast<double>(k) - 12); }, one},
      {"huge", [](Index, double r) { return 1e290 * r; }, random},
      {"denormal", [](Index, double r) { return 1e-310 * r; },
       [](Index, double r) { return 1e-310 * r; }},
  };
  return all;
}

struct Solution {
  std::vector<double> values, left, right;  // from the largest; vectors as rows
};

static Solution solve(const std::vector<double>& d, const std::vector<double>& e, int threads,
                      bool vectors) {
  const auto n = static_cast<Index>(d.size());
  Carver measure(nullptr);
  linalg::carve_bidiagonal_svd(measure, n, vectors, threads);
  std::vector<std::byte> memory(static_cast<std::size_t>(measure.used()) + 64);
  const auto misaligned = reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
  Carver carver(memory.data() + (64 - misaligned) % 64);
  const BidiagonalSvd svd = linalg::carve_bidiagonal_svd(carver, n, vectors, threads);
  std::copy(d.begin(), d.end(), svd.diagonal);
  std::copy(e.begin(), e.begin() + n - 1, svd.superdiagonal);
  bool found = true;
  runtime::parallel(threads, [&](const runtime::Team& team) {
    const bool solved = linalg::solve(team, svd);
    if (team.rank() == 0) found = solved;
  });
  CHECK(found, "n = " << n);
  Solution solution;
  for (Index k = n - 1; k >= 0; --k) {
    const Index row = svd.order[k];
    solution.values.push_back(svd.values[row]);
    if (!vectors) continue;
    const double* left = svd.left.data + row * svd.left.row_stride;
    const double* right = svd.right.data + row * svd.right.row_stride;
    solution.left.insert(solution.left.end(), left, left + n);
    solution.right.insert(solution.right.end(), right, right + n);
  }
  return solution;
}

static double worst_angle(const std::vector<double>& rows, Index n) {
  double worst = 0;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) {
      long double sum = i == j ? -1 : 0;
      for (Index k = 0; k < n; ++k) {
        sum += static_cast<long double>(rows[static_cast<std::size_t>(i * n + k)]) *
               rows[static_cast<std::size_t>(j * n + k)];
      }
      worst = std::max(worst, static_cast<double>(std::abs(sum)));
    }
  }
  return worst;
}

// The largest element of B V - U diag(values), over the largest value.
static double worst_residual(const std::vector<double>& d, const std::vector<double>& e,
                             const Solution& s) {
  const auto n = static_cast<Index>(d.size());
  const double scale = s.values.front() > 0 ? s.values.front() : 1;
  double worst = 0;
  for (Index k = 0; k < n; ++k) {
    for (Index i = 0; i < n; ++i) {
      const double* right = s.right.data() + k * n;
      const auto at = static_cast<std::size_t>(i);
      long double rest = static_cast<long double>(d[at] / scale) * right[i] -
                         static_cast<long double>(s.values[static_cast<std::size_t>(k)] / scale) *
                             s.left[static_cast<std::size_t>(k * n + i)];
      if (i + 1 < n) rest += static_cast<long double>(e[at] / scale) * right[i + 1];
      worst = std::max(worst, static_cast<double>(std::abs(rest)));
    }
  }
  return worst;
}

UNITGAIN_TEST(bidiagonal_matrices_are_decomposed) {
  for (const Bidiagonal& matrix : bidiagonals()) {
    for (const Index n : {1, 2, 3, 4, 7, 31, 64, 65, 66, 130, 200}) {
      const auto random = Matrix<double>::random(2, n, 0, 7);
      std::vector<double> d, e;
      for (Index k = 0; k < n; ++k) {
        d.push_back(matrix.diagonal(k, random(0, k)));
        e.push_back(matrix.superdiagonal(k, random(1, k)));
      }
      const Solution s = solve(d, e, 1, true);
      const double bound = 20 * epsilon<double> * std::sqrt(static_cast<double>(n));
      const double smallest = 5e-324 / std::max(s.values.front(), 5e-324) * 4;
      CHECK(std::is_sorted(s.values.rbegin(), s.values.rend()) && s.values.back() >= 0,
            matrix.name << ", n = " << n);
      CHECK(worst_angle(s.left, n) <= bound, matrix.name << ", n = " << n);
      CHECK(worst_angle(s.right, n) <= bound, matrix.name << ", n = " << n);
      CHECK(worst_residual(d, e, s) <= bound + smallest, matrix.name << ", n = " << n);
      const Solution alone = solve(d, e, 1, false);
      for (std::size_t k = 0; k < s.values.size(); ++k) {
        CHECK_NEAR(alone.values[k], s.values[k], bound * s.values.front(),
                   matrix.name << ", n = " << n << ", k = " << k);
      }
    }
  }
}

UNITGAIN_TEST(bidiagonal_decompositions_have_the_same_bits_for_any_team) {
  for (const Index n : {65, 200, 400}) {
    const auto random = Matrix<double>::random(2, n, 0, 3);
    std::vector<double> d, e;
    for (Index k = 0; k < n; ++k) {
      d.push_back(random(0, k));
      e.push_back(random(1, k));
    }
    const Solution one = solve(d, e, 1, true);
    for (const int threads : {2, 3}) {
      const Solution other = solve(d, e, threads, true);
      CHECK(one.values == other.values && one.left == other.left && one.right == other.right,
            "n = " << n << ", threads = " << threads);
    }
  }
}

// Q B P^T is the matrix again, for more columns than one block and rows that are no whole chunks.
UNITGAIN_TYPED_TEST(bidiagonal_forms_reproduce_the_matrix) {
  for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{5, 1}, {40, 33}, {131, 97}}) {
    const auto a = Matrix<T>::random(m, n, 0, 5);
    Carver measure(nullptr);
    linalg::carve_bidiagonalization<T>(measure, m, n, m, 1);
    std::vector<std::byte> memory(static_cast<std::size_t>(measure.used()) + 64);
    const auto misaligned = reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
    Carver carver(memory.data() + (64 - misaligned) % 64);
    const auto parts = linalg::carve_bidiagonalization<T>(carver, m, n, m, 1);
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < m; ++i) parts.left.tails[j][i] = a(i, j);
    }
    const runtime::Team team;
    linalg::bidiagonalize(team, parts);
    linalg::find_triangles(team, parts.left, parts.block);
    linalg::find_triangles(team, parts.right, parts.block);
    // The columns of B as rows, then those of Q B, then the rows of Q B P^T.
    std::vector<T> columns(static_cast<std::size_t>(n * m)), rows(columns.size());
    for (Index j = 0; j < n; ++j) {
      columns[static_cast<std::size_t>(j * m + j)] = parts.diagonal[j];
      if (j > 0) columns[static_cast<std::size_t>(j * m + j - 1)] = parts.superdiagonal[j - 1];
    }
    linalg::apply_q<T>(team, parts.left, false, {columns.data(), n, m, m, 1}, parts.block);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        rows[static_cast<std::size_t>(i * n + j)] = columns[static_cast<std::size_t>(j * m + i)];
      }
    }
    linalg::apply_q<T>(team, parts.right, false, {rows.data(), m, n, n, 1}, parts.block);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        CHECK_NEAR(rows[static_cast<std::size_t>(i * n + j)], Reference<T>(a(i, j)),
                   Reference<T>(40 * epsilon<T>), m << " x " << n << " at " << i << ", " << j);
      }
    }
  }
}

}  // namespace unitgain::tests
