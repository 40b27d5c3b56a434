// Products of float matrices and what they may be off by, for the tests of every precision.
#pragma once

#include <limits>
#include <sstream>
#include <string>

#include "check.hpp"
#include "memory.hpp"

namespace unitgain::tests {

inline constexpr Precision precisions[] = {Precision::highest, Precision::high, Precision::medium};
inline constexpr double unit = 0x1p-24;

// The error bound of a product, as a part of the sum of the products' magnitudes: gamma_k (Higham,
// "Accuracy and stability of numerical algorithms", 2002, section 3.1), and what rounding the
// operands adds. Two terms leave 2^-17 of each operand and lose the second terms' product.
inline double promised(Precision precision, Index k) {
  const double sums = static_cast<double>(k) * unit / (1 - static_cast<double>(k) * unit);
  const double rounded = precision == Precision::highest ? 0
                         : precision == Precision::high  ? 0x1p-15
                                                         : 0x1.01p-7;
  return sums + rounded;
}

inline std::string describe(Precision precision, Index m, Index n, Index k) {
  std::ostringstream words;
  words << "precision " << static_cast<int>(precision) << ", " << m << " x " << n << " x " << k;
  return words.str();
}

inline MatrixView<const float> view(const Matrix<float>& matrix) {
  return {matrix.data(), matrix.rows, matrix.cols, matrix.stride, 1};
}
inline MatrixView<float> whole(const Matrix<float>& matrix) {
  return {matrix.data(), matrix.rows, matrix.cols, matrix.stride, 1};
}
inline float at(const MatrixView<const float>& a, Index i, Index j) {
  return a.data[i * a.row_stride + j * a.col_stride];
}

struct Expected {
  double value, magnitude;
};

inline Expected expected_at(const MatrixView<const float>& a, const MatrixView<const float>& b,
                            Index i, Index j) {
  Expected expected{0, 0};
  for (Index p = 0; p < a.cols; ++p) {
    const double product = double{at(a, i, p)} * double{at(b, p, j)};
    expected.value += product;
    expected.magnitude += std::abs(product);
  }
  return expected;
}

// Checks C = alpha A B + beta `before`. Beside what is promised there is what float cannot tell
// from zero, or of `medium` its normal numbers.
inline void check_product(const MatrixView<const float>& a, const MatrixView<const float>& b,
                          const Matrix<float>& c, Precision precision, const std::string& context,
                          double alpha = 1, double beta = 0,
                          const Matrix<float>* before = nullptr) {
  const double bound = promised(precision, a.cols);
  const double least = (precision == Precision::medium ? 3 * 0x1p-126 : 0x1p-149) *
                       static_cast<double>(a.cols) * std::max(1.0, std::abs(alpha));
  for (Index i = 0; i < c.rows; ++i) {
    for (Index j = 0; j < c.cols; ++j) {
      Expected expected = expected_at(a, b, i, j);
      // A part of the sum may overflow.
      if (expected.magnitude > double{std::numeric_limits<float>::max()}) continue;
      double slack = std::abs(alpha) * expected.magnitude * bound;
      expected.value *= alpha;
      if (alpha != 1 || beta != 0) slack += 2 * unit * std::abs(alpha) * expected.magnitude;
      if (beta != 0) {
        expected.value += beta * (*before)(i, j);
        slack += 2 * unit * std::abs(beta * (*before)(i, j));
      }
      CHECK_NEAR(c(i, j), expected.value, slack + least, context << ", i = " << i << ", j = " << j);
    }
  }
}

inline Index rounded_up(Index size, Index multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

// Matrices in row order and column order, and with neither stride 1.
template <class Body>
void for_each_layout(Index rows, Index cols, unsigned seed, Body&& body) {
  const auto plain = Matrix<float>::random(rows, cols, 3, seed);
  body(view(plain));
  const auto turned = Matrix<float>::random(cols, rows, 5, seed);
  body(MatrixView<const float>{turned.data(), rows, cols, 1, turned.stride});
  const auto wide = Matrix<float>::random(rows, 2 * cols, 1, seed);
  body(MatrixView<const float>{wide.data(), rows, cols, wide.stride, 2});
}

}  // namespace unitgain::tests
