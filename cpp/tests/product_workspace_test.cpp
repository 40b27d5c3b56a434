// Products of teams whose workspace has not a byte more than was asked for, and is full of NaN:
// what a team overruns is a fault or another thread's, what it reads unwritten is seen in the sums.
#include <cmath>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"

namespace unitgain::tests {

namespace {

template <class Body>
void run_members(int team_size, const Body& body) {
  runtime::Barrier barrier;
  std::vector<std::thread> others;
  for (int rank = 1; rank < team_size; ++rank) {
    others.emplace_back([&, rank] { body(runtime::Team(rank, team_size, &barrier)); });
  }
  body(runtime::Team(0, team_size, &barrier));
  for (std::thread& other : others) other.join();
}

template <class T>
Array<double> workspace_of(Index m, Index n, Index k, int team_size) {
  const Index bytes = ops::gemm_workspace<T>(m, n, k, team_size);
  CHECK(bytes % 64 == 0, bytes << " bytes");
  return Array<double>(bytes / 8, std::numeric_limits<double>::quiet_NaN());
}

// Sides about the multiples of a tile's, and any.
class Sides {
 public:
  Index next(Index tile, Index most) {
    const Index any = 1 + static_cast<Index>(generator_() % static_cast<std::uint64_t>(most));
    if (generator_() % 4 == 0) return any;
    const Index near = any / tile * tile + static_cast<Index>(generator_() % 5) - 2;
    return std::max<Index>(1, std::min(near, most));
  }
  Index up_to(Index most) { return next(1, most); }

 private:
  std::mt19937_64 generator_{11};
};

template <class T>
MatrixView<const T> operand(const Matrix<T>& matrix, bool turned) {
  if (turned) return {matrix.data(), matrix.cols, matrix.rows, 1, matrix.stride};
  return {matrix.data(), matrix.rows, matrix.cols, matrix.stride, 1};
}

template <class T>
Matrix<T> product(const MatrixView<const T>& a, const MatrixView<const T>& b, int team_size) {
  const auto c = Matrix<T>::filled(a.rows, b.cols, 1);
  const Array<double> workspace = workspace_of<T>(a.rows, b.cols, a.cols, team_size);
  ops::Gemm<T> problem;
  problem.a = a;
  problem.b = b;
  problem.c = {c.data(), c.rows, c.cols, c.stride, 1};
  run_members(team_size, [&](const runtime::Team& team) {
    ops::gemm(team, problem, reinterpret_cast<std::byte*>(workspace.data()));
  });
  return c;
}

}  // namespace

#define SHAPE "m = " << m << ", n = " << n << ", k = " << k << ", layout " << layout

UNITGAIN_TYPED_TEST(products_keep_to_the_workspace_that_they_ask_for) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  Sides sides;
  for (int shape = 0; shape < 400; ++shape) {
    const Index m = sides.next(kernels.mr, shape % 8 == 0 ? 1200 : 400);
    const Index n = sides.next(kernels.nr / 2, 300), k = sides.up_to(shape % 8 == 1 ? 1500 : 200);
    const int layout = shape % 4;
    const bool turns_a = layout / 2 != 0, turns_b = layout % 2 != 0;
    const auto a = Matrix<T>::random(turns_a ? k : m, turns_a ? m : k, 1, 1);
    const auto b = Matrix<T>::random(turns_b ? n : k, turns_b ? k : n, 2, 2);
    const MatrixView<const T> left = operand(a, turns_a), right = operand(b, turns_b);
    const Matrix<T> alone = product(left, right, 1);
    for (const auto& [i, j] : {std::pair<Index, Index>{0, 0}, {m / 2, n / 2}, {m - 1, n - 1}}) {
      Reference<T> expected = 0, magnitude = 0;
      for (Index p = 0; p < k; ++p) {
        const Reference<T> term =
            Reference<T>(left.data[i * left.row_stride + p * left.col_stride]) *
            right.data[p * right.row_stride + j * right.col_stride];
        expected += term;
        magnitude += std::abs(term);
      }
      const auto bound = epsilon<T> * static_cast<Reference<T>>(k) * magnitude;
      CHECK_NEAR(alone(i, j), expected, bound, SHAPE << ", i = " << i << ", j = " << j);
    }
    for (const int team_size : {2, 3}) {
      const Matrix<T> together = product(left, right, team_size);
      const auto bytes = static_cast<std::size_t>(alone.array.size()) * sizeof(T);
      CHECK(std::memcmp(alone.array.data(), together.array.data(), bytes) == 0,
            SHAPE << ", " << team_size << " team_size");
    }
  }
}

// The parts of so great a depth are cut once more.
UNITGAIN_TYPED_TEST(products_of_great_depth_keep_to_the_workspace_that_they_ask_for) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const Index m = 4 * kernels.mr, n = 2 * kernels.nr, k = 16 * 12288;
  const auto a = Matrix<T>::filled(m, k, 0, 1), b = Matrix<T>::filled(k, n, 0, 1);
  for (const int team_size : {1, 2}) {
    const Matrix<T> c = product(operand(a, false), operand(b, false), team_size);
    CHECK(c(m - 1, n - 1) == T(k), c(m - 1, n - 1));
  }
}

UNITGAIN_TYPED_TEST(no_smaller_product_asks_for_more_workspace_than_the_bound) {
  Sides sides;
  const Index tile = runtime::kernels<T>().gemm->nr / 2;
  for (int shape = 0; shape < 300; ++shape) {
    const Index m = sides.next(tile, 1500), n = sides.next(tile, 1500), k = sides.up_to(1500);
    for (const int team_size : {1, 2, 3, 4}) {
      const Index bound = ops::gemm_workspace_up_to<T>(m, n, k, team_size);
      for (int i = 0; i < 30; ++i) {
        const Index rows = sides.next(tile, m), cols = sides.next(tile, n), depth = sides.up_to(k);
        const Index bytes = ops::gemm_workspace<T>(rows, cols, depth, team_size);
        CHECK(bytes <= bound, rows << " x " << cols << " x " << depth << " takes " << bytes << ", "
                                   << m << " x " << n << " x " << k << " " << bound << ", "
                                   << team_size << " team_size");
      }
    }
  }
}

}  // namespace unitgain::tests
