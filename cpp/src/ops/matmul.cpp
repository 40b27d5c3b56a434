#include "unitgain/matmul.hpp"

#include <cstdint>
#include <string>

#include "base/aligned_buffer.hpp"
#include "base/shape_text.hpp"
#include "ops/gemm_plan.hpp"
#include "ops/packed_panels.hpp"
#include "runtime/workspace.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain {

namespace {

// The addresses that a view covers, as a half-open interval.
struct Extent {
  std::uintptr_t begin, end;
};

template <class T>
Extent extent(const MatrixView<T>& view) {
  const auto origin = reinterpret_cast<std::uintptr_t>(view.data);
  if (view.rows == 0 || view.cols == 0) return {origin, origin};
  const Index down = (view.rows - 1) * view.row_stride, across = (view.cols - 1) * view.col_stride;
  const Index low = std::min<Index>(down, 0) + std::min<Index>(across, 0);
  const Index high = std::max<Index>(down, 0) + std::max<Index>(across, 0) + 1;
  constexpr auto size = static_cast<Index>(sizeof(T));
  return {origin + static_cast<std::uintptr_t>(low * size),
          origin + static_cast<std::uintptr_t>(high * size)};
}

bool overlap(const Extent& a, const Extent& b) {
  return a.begin < b.end && b.begin < a.end;
}

constexpr const char* purpose = "the workspace of a product";

struct Shape {
  Index rows, cols;
};

template <class T>
Shape shape_of(const MatrixView<T>& view) {
  return {view.rows, view.cols};
}

template <class T>
void copy(const MatrixView<const T>& from, const MatrixView<T>& to) {
  for (Index i = 0; i < to.rows; ++i) {
    for (Index j = 0; j < to.cols; ++j) {
      to.data[i * to.row_stride + j * to.col_stride] =
          from.data[i * from.row_stride + j * from.col_stride];
    }
  }
}

template <class T>
double work_of(const ops::Gemm<T>& problem) {
  return ops::gemm_work(problem.c.rows, problem.c.cols, problem.a.cols);
}

template <class T>
void run(const ops::Gemm<T>& problem) {
  const ops::GemmPlan<T> plan = ops::plan_gemm(problem);
  if (plan.is_small()) return ops::gemm(runtime::Team(), problem, plan, nullptr);
  const runtime::TeamSize size = runtime::threads_for(work_of(problem));
  std::byte* workspace = runtime::thread_workspace(plan.bytes(size.threads), purpose);
  runtime::parallel(size,
                    [&](const runtime::Team& team) { ops::gemm(team, problem, plan, workspace); });
}

// The same on memory in row order, and back.
template <class T>
void run_in_buffer(ops::Gemm<T> problem) {
  const MatrixView<T> c = problem.c;
  const base::AlignedBuffer<T> buffer(c.rows * c.cols, "a product in row order");
  problem.c = {buffer.data(), c.rows, c.cols, c.cols, 1};
  if (problem.beta != T{0}) {
    copy<T>({c.data, c.rows, c.cols, c.row_stride, c.col_stride}, problem.c);
  }
  run(problem);
  copy<T>({buffer.data(), c.rows, c.cols, c.cols, 1}, c);
}

void check_shapes(const Shape& a, const Shape& b, const Shape& c) {
  if (a.cols != b.rows) {
    throw ValueError("b has shape " + base::shape_text({b.rows, b.cols}) + ", but a has " +
                     std::to_string(a.cols) + " columns: b must have as many rows");
  }
  if (c.rows != a.rows || c.cols != b.cols) {
    throw ValueError("out has shape " + base::shape_text({c.rows, c.cols}) +
                     ", but the product has shape " + base::shape_text({a.rows, b.cols}));
  }
}

template <class T>
ops::Gemm<T> problem_of(const MatrixView<const T>& a, const MatrixView<T>& c,
                        const MatmulOptions<T>& options) {
  ops::Gemm<T> problem;
  problem.a = a;
  problem.b = {};
  problem.c = c;
  problem.alpha = options.alpha;
  problem.beta = options.beta;
  problem.epilogue.bias = options.bias;
  problem.epilogue.activation = options.activation;
  return problem;
}

template <class T>
bool has_row_order(const MatrixView<T>& c) {
  return c.col_stride == 1 || c.cols <= 1;
}

// Turns a product around whose result is in column order, where that leaves it the same.
template <class T>
void turn_to_row_order(ops::Gemm<T>& problem) {
  if (has_row_order(problem.c) || problem.c.row_stride != 1 || problem.epilogue.bias != nullptr) {
    return;
  }
  const MatrixView<const T> a = problem.a;
  problem.a = ops::transposed(problem.b);
  problem.b = ops::transposed(a);
  problem.c = ops::transposed(problem.c);
}

// Every thread takes whole products; those left over, and large ones, are shared.
template <class T>
void run_stack(const ops::Gemm<T>& problem, std::span<const MatmulOperands<T>> stack) {
  const auto count = static_cast<Index>(stack.size());
  const runtime::TeamSize size =
      runtime::threads_for(work_of(problem) * static_cast<double>(count));
  const ops::GemmPlan<T> plan = ops::plan_gemm(problem);
  const Index alone = runtime::thread_bytes(plan.bytes(1)), together = plan.bytes(size.threads);
  std::byte* workspace =
      runtime::thread_workspace(std::max(alone * size.threads, together), purpose);
  runtime::parallel(size, [&](const runtime::Team& team) {
    ops::Gemm<T> product = problem;
    const auto multiply = [&](const runtime::Team& members, Index i, std::byte* memory) {
      const MatmulOperands<T>& operands = stack[static_cast<std::size_t>(i)];
      product.a.data = operands.a;
      product.b.data = operands.b;
      product.c.data = operands.c;
      ops::gemm(members, product, plan, memory);
    };
    const Index whole =
        work_of(problem) < ops::tuning::work_of_a_team ? count / team.size() * team.size() : 0;
    const runtime::Range mine = team.share(whole);
    for (Index i = mine.begin; i < mine.end; ++i) {
      multiply(runtime::Team(), i, workspace + team.rank() * alone);
    }
    for (Index i = whole; i < count; ++i) {
      team.barrier();
      multiply(team, i, workspace);
    }
  });
}

}  // namespace

template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options) {
  check_shapes(shape_of(a), shape_of(b), shape_of(c));
  ops::Gemm<T> problem = problem_of(a, c, options);
  problem.b = b;
  problem.precision = options.precision.value_or(float32_matmul_precision());
  if (overlap(extent(c), extent(a)) || overlap(extent(c), extent(b))) return run_in_buffer(problem);
  turn_to_row_order(problem);
  has_row_order(problem.c) ? run(problem) : run_in_buffer(problem);
}

template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            std::span<const MatmulOperands<T>> stack, const MatmulOptions<T>& options) {
  check_shapes(shape_of(a), shape_of(b), shape_of(c));
  ops::Gemm<T> problem = problem_of(a, c, options);
  problem.b = b;
  problem.precision = options.precision.value_or(float32_matmul_precision());
  if (has_row_order(c)) return run_stack(problem, stack);
  for (const MatmulOperands<T>& operands : stack) {
    problem.a.data = operands.a;
    problem.b.data = operands.b;
    problem.c.data = operands.c;
    run_in_buffer(problem);
  }
}

template <class T>
PackedMatrix<T>::PackedMatrix(const MatrixView<const T>& b, std::optional<Precision> precision) {
  const Precision chosen = std::is_same_v<T, float> ? precision.value_or(float32_matmul_precision())
                                                    : Precision::highest;
  content_.reset(new Content{b.rows, b.cols, chosen, ops::PackedPanels<T>(b, chosen)});
}

template <class T>
PackedMatrix<T>::~PackedMatrix() = default;
template <class T>
PackedMatrix<T>::PackedMatrix(PackedMatrix&&) noexcept = default;
template <class T>
PackedMatrix<T>& PackedMatrix<T>::operator=(PackedMatrix&&) noexcept = default;

template <class T>
Index PackedMatrix<T>::rows() const {
  return content_->rows;
}
template <class T>
Index PackedMatrix<T>::cols() const {
  return content_->cols;
}
template <class T>
Precision PackedMatrix<T>::precision() const {
  return content_->precision;
}
template <class T>
Index PackedMatrix<T>::bytes() const {
  return content_->panels.bytes();
}
template <class T>
void PackedMatrix<T>::unpack(const MatrixView<T>& b) const {
  content_->panels.unpack(b);
}

template <class T>
void matmul(const MatrixView<const T>& a, const PackedMatrix<T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options) {
  check_shapes(shape_of(a), {b.rows(), b.cols()}, shape_of(c));
  ops::Gemm<T> problem = problem_of(a, c, options);
  problem.precision = b.precision();
  b.content().panels.check_kernels();
  b.content().panels.operand_of(problem);
  has_row_order(c) && !overlap(extent(c), extent(a)) ? run(problem) : run_in_buffer(problem);
}

template void matmul(const MatrixView<const float>&, const MatrixView<const float>&,
                     const MatrixView<float>&, const MatmulOptions<float>&);
template void matmul(const MatrixView<const double>&, const MatrixView<const double>&,
                     const MatrixView<double>&, const MatmulOptions<double>&);

template void matmul(const MatrixView<const float>&, const MatrixView<const float>&,
                     const MatrixView<float>&, std::span<const MatmulOperands<float>>,
                     const MatmulOptions<float>&);
template void matmul(const MatrixView<const double>&, const MatrixView<const double>&,
                     const MatrixView<double>&, std::span<const MatmulOperands<double>>,
                     const MatmulOptions<double>&);
template class PackedMatrix<float>;
template class PackedMatrix<double>;
template void matmul(const MatrixView<const float>&, const PackedMatrix<float>&,
                     const MatrixView<float>&, const MatmulOptions<float>&);
template void matmul(const MatrixView<const double>&, const PackedMatrix<double>&,
                     const MatrixView<double>&, const MatmulOptions<double>&);

}  // namespace unitgain
