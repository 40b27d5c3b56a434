// A right operand in panels.
#pragma once

#include <vector>

#include "base/aligned_buffer.hpp"
#include "ops/gemm.hpp"
#include "simd/kernels/split_gemm.hpp"
#include "unitgain/matmul.hpp"

namespace unitgain::simd {
struct KernelTable;
}

namespace unitgain::ops {

// A copy of B in the panels of the kernels for a precision: of the split ones where they exist and
// their terms can hold it.
template <class T>
class PackedPanels {
 public:
  PackedPanels() = default;
  PackedPanels(const MatrixView<const T>& b, Precision precision);

  // ValueError if it was packed for kernels that no longer run: see set_reproducible().
  void check_kernels() const;
  // Sets `b` and `packed` of a product, to what this object owns.
  void operand_of(Gemm<T>& problem) const;
  void unpack(const MatrixView<T>& b) const;
  Index bytes() const;

 private:
  void pack_plainly(const MatrixView<const T>& b);
  // Whether the terms can hold B.
  bool pack_split(const MatrixView<const T>& b, Precision precision);

  const simd::KernelTable* kernels_ = nullptr;
  Index rows_ = 0, cols_ = 0;
  base::AlignedBuffer<std::byte> panels_;
  std::vector<simd::ExponentRange> ranges_;
  base::AlignedBuffer<T> values_;  // B itself, where the panels do not hold all of it
  PackedOperand operand_ = {};
};

}  // namespace unitgain::ops

namespace unitgain {

template <class T>
struct PackedMatrix<T>::Content {
  Index rows, cols;
  Precision precision;
  ops::PackedPanels<T> panels;
};

}  // namespace unitgain
