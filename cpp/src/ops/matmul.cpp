#include "unitgain/matmul.hpp"

#include <cstdint>
#include <string>

#include "base/aligned_buffer.hpp"
#include "base/shape_text.hpp"
#include "ops/gemm.hpp"
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

template <class T>
MatrixView<T> transposed(const MatrixView<T>& view) {
  return {view.data, view.cols, view.rows, view.col_stride, view.row_stride};
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
void run(const ops::Gemm<T>& problem) {
  const Index m = problem.c.rows, n = problem.c.cols, k = problem.a.cols;
  const runtime::TeamSize size = runtime::threads_for(ops::gemm_work(m, n, k));
  std::byte* workspace = runtime::thread_workspace(ops::gemm_workspace<T>(m, n, k, size.threads));
  runtime::parallel(size, [&](const runtime::Team& team) { ops::gemm(team, problem, workspace); });
}

template <class T>
void check_shapes(const MatrixView<const T>& a, const MatrixView<const T>& b,
                  const MatrixView<T>& c) {
  if (a.cols != b.rows) {
    throw ValueError("b has shape " + base::shape_text({b.rows, b.cols}) + ", but a has " +
                     std::to_string(a.cols) + " columns: b must have as many rows");
  }
  if (c.rows != a.rows || c.cols != b.cols) {
    throw ValueError("out has shape " + base::shape_text({c.rows, c.cols}) +
                     ", but the product has shape " + base::shape_text({a.rows, b.cols}));
  }
}

}  // namespace

template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options) {
  check_shapes(a, b, c);
  const bool overlapping = overlap(extent(c), extent(a)) || overlap(extent(c), extent(b));
  ops::Gemm<T> problem{a, b, c, options.alpha, options.beta, {}};
  problem.epilogue.bias = options.bias;
  problem.epilogue.activation = options.activation;
  if (!overlapping && (c.col_stride == 1 || c.cols <= 1)) {
    run(problem);
  } else if (!overlapping && c.row_stride == 1 && options.bias == nullptr) {
    problem.a = transposed(b);
    problem.b = transposed(a);
    problem.c = transposed(c);
    run(problem);
  } else {
    const base::AlignedBuffer<T> buffer(c.rows * c.cols);
    problem.c = {buffer.data(), c.rows, c.cols, c.cols, 1};
    if (options.beta != T{0})
      copy<T>({c.data, c.rows, c.cols, c.row_stride, c.col_stride}, problem.c);
    run(problem);
    copy<T>({buffer.data(), c.rows, c.cols, c.cols, 1}, c);
  }
}

template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            std::span<const MatmulOperands<T>> stack, const MatmulOptions<T>& options) {
  for (const MatmulOperands<T>& operands : stack) {
    MatrixView<const T> left = a, right = b;
    MatrixView<T> result = c;
    left.data = operands.a;
    right.data = operands.b;
    result.data = operands.c;
    matmul(left, right, result, options);
  }
}

template <class T>
struct PackedMatrix<T>::Content {
  Index rows, cols;
  Precision precision;
  base::AlignedBuffer<T> values;
  MatrixView<const T> view() const { return {values.data(), rows, cols, cols, 1}; }
};

template <class T>
PackedMatrix<T>::PackedMatrix(const MatrixView<const T>& b, std::optional<Precision> precision) {
  auto content = std::make_unique<Content>();
  content->rows = b.rows;
  content->cols = b.cols;
  content->precision = precision.value_or(float32_matmul_precision());
  content->values = base::AlignedBuffer<T>(b.rows * b.cols);
  copy<T>(b, {content->values.data(), b.rows, b.cols, b.cols, 1});
  content_ = std::move(content);
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
  return content_->values.size() * static_cast<Index>(sizeof(T));
}
template <class T>
void PackedMatrix<T>::unpack(const MatrixView<T>& b) const {
  copy<T>(content_->view(), b);
}

template <class T>
void matmul(const MatrixView<const T>& a, const PackedMatrix<T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options) {
  matmul(a, b.content().view(), c, options);
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
