// Weights of 8 bits, a scale for each column: w is scale_j q, with q from -127 to 127.
#pragma once

#include <cstdint>

#include "base/aligned_buffer.hpp"
#include "ops/gemm.hpp"
#include "unitgain/types.hpp"

namespace unitgain::simd {
struct KernelTable;
}

namespace unitgain::ops {

// Quantizes the columns of a matrix: `values` is row by row, `scales` has one for each column.
// Scales have few enough bits that the values times them are exact in float32, and so that what
// they stand for has the same values and scales again. Throws ValueError if the matrix has values
// that are not finite, and names it.
void quantize_columns(const MatrixView<const float>& b, const char* name, std::int8_t* values,
                      float* scales);

// The matrix that values and scales stand for.
void dequantize_columns(const std::int8_t* values, const float* scales, const MatrixView<float>& b);

// A copy of quantized weights in the panels of the kernels.
class QuantizedMatrix {
 public:
  // Of `values` row by row.
  QuantizedMatrix(Index rows, Index cols, const std::int8_t* values, const float* scales);
  // Of a matrix of float32, which is quantized; see quantize_columns.
  static QuantizedMatrix of(const MatrixView<const float>& b, const char* name);
  // Whether sums of so many products fit 32 bits.
  static bool takes_depth(Index rows);

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  Index bytes() const;
  // ValueError if it was packed for kernels that no longer run: see set_reproducible().
  void check_kernels() const;
  void unpack(const MatrixView<float>& b) const;

  Index panel_bytes() const { return panel_bytes_; }
  const std::byte* panel(Index i) const { return panels_.data() + i * panel_bytes_; }
  const float* scales() const { return scales_.data(); }
  const std::int32_t* column_sums() const { return column_sums_.data(); }

 private:
  std::byte* place(Index row, Index col) const;

  const simd::KernelTable* kernels_;
  Index rows_, cols_;
  Index nr_, group_;  // of the kernels
  Index panel_bytes_;
  base::AlignedBuffer<std::byte> panels_;
  base::AlignedBuffer<float> scales_;
  base::AlignedBuffer<std::int32_t> column_sums_;
};

}  // namespace unitgain::ops
