#include "ops/packed_panels.hpp"

#include "ops/gemm_split.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/split_gemm.hpp"
#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

template <class T>
void copy(const MatrixView<const T>& from, const MatrixView<T>& to) {
  for (Index i = 0; i < to.rows; ++i) {
    for (Index j = 0; j < to.cols; ++j) {
      to.data[i * to.row_stride + j * to.col_stride] =
          from.data[i * from.row_stride + j * from.col_stride];
    }
  }
}

// Whether every product with values of ordinary size stays on the split kernels.
bool holds_terms(const simd::SplitGemmKernels& kernels,
                 const std::vector<simd::ExponentRange>& ranges) {
  constexpr simd::ExponentRange one{127, 127};
  return std::all_of(ranges.begin(), ranges.end(), [&](const simd::ExponentRange& range) {
    return split_holds(kernels, one, range);
  });
}

}  // namespace

template <class T>
PackedPanels<T>::PackedPanels(const MatrixView<const T>& b, Precision precision)
    : kernels_(&runtime::kernel_table()), rows_(b.rows), cols_(b.cols) {
  if (!pack_split(b, precision)) pack_plainly(b);
}

template <class T>
void PackedPanels<T>::pack_plainly(const MatrixView<const T>& b) {
  const simd::GemmKernels<T>& kernels = *runtime::kernels<T>().gemm;
  const PlainLayout<T> layout(b.cols);
  panels_ = base::AlignedBuffer<std::byte>(b.rows * layout.width * static_cast<Index>(sizeof(T)),
                                           "a packed matrix");
  T* to = reinterpret_cast<T*>(panels_.data());
  for_each_pass(b.rows, plain_depth<T>(b.rows), [&](const Pass& pass) {
    if (pass.depth == 0 || b.cols == 0) return;
    kernels.pack_b(b.data + pass.first * b.row_stride, b.row_stride, b.col_stride, pass.depth,
                   b.cols, to + layout.offset(pass, 0));
  });
  operand_ = {panels_.data(), nullptr, nullptr};
}

template <class T>
bool PackedPanels<T>::pack_split(const MatrixView<const T>&, Precision) {
  return false;
}

template <>
bool PackedPanels<float>::pack_split(const MatrixView<const float>& b, Precision precision) {
  const auto* kernels = runtime::split_kernels(precision);
  if (kernels == nullptr || b.rows == 0 || b.cols == 0) return false;
  const SplitLayout layout(*kernels, b.cols, b.rows);
  panels_ = base::AlignedBuffer<std::byte>(layout.bytes(), "a packed matrix");
  ranges_.resize(static_cast<std::size_t>(layout.panels()));
  for_each_pass(b.rows, layout.kc, [&](const Pass& pass) {
    for (Index col = 0; col < b.cols; col += kernels->nr) {
      const auto part = block(b, pass.first, col, pass.depth, std::min(kernels->nr, b.cols - col));
      kernels->pack_b(part.data, part.row_stride, part.col_stride, part.rows, part.cols,
                      panels_.data() + layout.offset(pass.first, col),
                      ranges_.data() + layout.panel(pass.first, col));
    }
  });
  operand_ = {panels_.data(), kernels, ranges_.data()};
  if (kernels->terms > 1) {
    values_ = base::AlignedBuffer<float>(b.rows * b.cols, "a packed matrix");
    copy<float>(b, {values_.data(), b.rows, b.cols, b.cols, 1});
  }
  return kernels->terms > 1 || holds_terms(*kernels, ranges_);
}

template <class T>
void PackedPanels<T>::check_kernels() const {
  if (kernels_ == nullptr || kernels_ == &runtime::kernel_table()) return;
  throw ValueError(
      "what was packed before set_reproducible was called is to be packed again: make the "
      "PackedMatrix, or the predictor, anew");
}

template <class T>
void PackedPanels<T>::operand_of(Gemm<T>& problem) const {
  problem.b = {values_.data(), rows_, cols_, cols_, 1};
  problem.packed = &operand_;
}

template <class T>
void PackedPanels<T>::unpack(const MatrixView<T>& b) const {
  check_kernels();
  if (values_.size() > 0) {
    copy<T>({values_.data(), rows_, cols_, cols_, 1}, b);
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (operand_.split != nullptr) {
      const SplitLayout layout(*operand_.split, cols_, rows_);
      for_each_pass(rows_, layout.kc, [&](const Pass& pass) {
        for (Index col = 0; col < cols_; col += operand_.split->nr) {
          const auto to =
              block(b, pass.first, col, pass.depth, std::min(operand_.split->nr, cols_ - col));
          operand_.split->unpack_b(panels_.data() + layout.offset(pass.first, col), to.rows,
                                   to.cols, to.data, to.row_stride, to.col_stride);
        }
      });
      return;
    }
  }
  const PlainLayout<T> layout(cols_);
  const T* values = reinterpret_cast<const T*>(panels_.data());
  for_each_pass(rows_, plain_depth<T>(rows_), [&](const Pass& pass) {
    for (Index j = 0; j < cols_; j += layout.nr) {
      const Index cols = std::min(layout.nr, cols_ - j);
      copy<T>({values + layout.offset(pass, j), pass.depth, cols, layout.nr, 1},
              block(b, pass.first, j, pass.depth, cols));
    }
  });
}

template <class T>
Index PackedPanels<T>::bytes() const {
  return panels_.size() + values_.size() * static_cast<Index>(sizeof(T)) +
         static_cast<Index>(ranges_.size() * sizeof(simd::ExponentRange));
}

template class PackedPanels<float>;
template class PackedPanels<double>;

}  // namespace unitgain::ops
