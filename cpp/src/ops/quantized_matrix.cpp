#include "ops/quantized_matrix.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "ops/gemm_blocks.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/int8_kernels.hpp"
#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

constexpr float most_weight = 127;

// The scale of a column whose greatest magnitude is that. Of the quotient's 24 bits the last 8 are
// dropped: 127 times what is left is exact. Not rounded up, which could make that overflow.
float scale_of(float greatest) {
  constexpr float least = 0x1p-126F;
  if (greatest <= least / 2) return 0;  // all would be rounded to 0
  const auto bits = std::bit_cast<std::uint32_t>(std::max(greatest / most_weight, least));
  return std::bit_cast<float>(bits & 0xffffff00U);
}

std::int8_t quantized(float value, float inverse) {
  const float q = std::nearbyint(value * inverse);
  return static_cast<std::int8_t>(std::clamp(q, -most_weight, most_weight));
}

}  // namespace

void quantize_columns(const MatrixView<const float>& b, const char* name, std::int8_t* values,
                      float* scales) {
  std::vector<float> inverses(static_cast<std::size_t>(b.cols));
  std::fill(scales, scales + b.cols, 0.0F);
  bool finite = true;
  for (Index i = 0; i < b.rows; ++i) {
    for (Index j = 0; j < b.cols; ++j) {
      const float magnitude = std::abs(b.data[i * b.row_stride + j * b.col_stride]);
      finite = finite && std::isfinite(magnitude);
      scales[j] = std::max(scales[j], magnitude);
    }
  }
  if (!finite) {
    throw ValueError(std::string(name) + " has values that are not finite: int8 cannot hold them");
  }
  for (Index j = 0; j < b.cols; ++j) {
    scales[j] = scale_of(scales[j]);
    inverses[static_cast<std::size_t>(j)] = scales[j] == 0 ? 0 : 1 / scales[j];
  }
  for (Index i = 0; i < b.rows; ++i) {
    for (Index j = 0; j < b.cols; ++j) {
      values[i * b.cols + j] = quantized(b.data[i * b.row_stride + j * b.col_stride],
                                         inverses[static_cast<std::size_t>(j)]);
    }
  }
}

void dequantize_columns(const std::int8_t* values, const float* scales,
                        const MatrixView<float>& b) {
  for (Index i = 0; i < b.rows; ++i) {
    for (Index j = 0; j < b.cols; ++j) {
      b.data[i * b.row_stride + j * b.col_stride] =
          static_cast<float>(values[i * b.cols + j]) * scales[j];
    }
  }
}

bool QuantizedMatrix::takes_depth(Index rows) {
  return rows <= simd::most_int8_depth;
}

QuantizedMatrix::QuantizedMatrix(Index rows, Index cols, const std::int8_t* values,
                                 const float* scales)
    : kernels_(&runtime::kernel_table()),
      rows_(rows),
      cols_(cols),
      nr_(runtime::int8_kernels().nr),
      group_(runtime::int8_kernels().group),
      panel_bytes_(round_up(rows, group_) * nr_) {
  panels_ = base::AlignedBuffer<std::byte>(ceil_div(cols, nr_) * panel_bytes_, "quantized weights");
  scales_ = base::AlignedBuffer<float>(cols, "quantized weights");
  column_sums_ = base::AlignedBuffer<std::int32_t>(cols, "quantized weights");
  panels_.zero();
  column_sums_.zero();
  std::copy_n(scales, cols, scales_.data());
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      const std::int8_t value = values[i * cols + j];
      *place(i, j) = static_cast<std::byte>(value);
      column_sums_[j] += value;
    }
  }
}

std::byte* QuantizedMatrix::place(Index row, Index col) const {
  return panels_.data() + col / nr_ * panel_bytes_ + (row / group_ * nr_ + col % nr_) * group_ +
         row % group_;
}

QuantizedMatrix QuantizedMatrix::of(const MatrixView<const float>& b, const char* name) {
  const base::AlignedBuffer<std::int8_t> values(b.rows * b.cols, name);
  const base::AlignedBuffer<float> scales(b.cols, name);
  quantize_columns(b, name, values.data(), scales.data());
  return {b.rows, b.cols, values.data(), scales.data()};
}

Index QuantizedMatrix::bytes() const {
  return panels_.size() + 8 * cols_;
}

void QuantizedMatrix::check_kernels() const {
  if (kernels_ == &runtime::kernel_table()) return;
  throw ValueError(
      "what was packed before set_reproducible was called is to be packed again: make the "
      "predictor anew");
}

void QuantizedMatrix::unpack(const MatrixView<float>& b) const {
  check_kernels();
  for (Index i = 0; i < rows_; ++i) {
    for (Index j = 0; j < cols_; ++j) {
      b.data[i * b.row_stride + j * b.col_stride] =
          static_cast<float>(static_cast<std::int8_t>(*place(i, j))) * scales_[j];
    }
  }
}

}  // namespace unitgain::ops
