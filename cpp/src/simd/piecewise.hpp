// Functions of a float by polynomials on 32 intervals of one width, their coefficients picked lane
// by lane: from registers, which AVX-512 permutes, elsewhere from memory, where an interval's
// numbers are a row, and the rows of a register's lanes are transposed. That takes a quarter of the
// time of a gather instruction for each coefficient. For sources in simd/ only, and for variants
// that have UNITGAIN_TABLES.
//
// The intervals lie around the multiples of the width, from 0 to 31 times it, or from -16 to 15; or
// they become narrower from 0 on, for a function that falls ever more steeply. On an interval the
// function is c[0] + d (c[1] + d (c[2] + ...)) with d the distance from its centre. The centre is a
// number near the middle at which the function is almost a float, and |d| is small against the
// function's scale: nearly all of the error comes from the last addition and the product before it,
// 1 ulp. Where the function is 0, the centre is the zero, rounded, and c[0] is what the function is
// there, so that the error stays relative.
#pragma once

#include "simd/math.hpp"

#if defined(UNITGAIN_LOOKUP) || defined(__AVX2__)
#define UNITGAIN_TABLES 1
#endif

namespace unitgain::simd::UNITGAIN_VARIANT {

enum Width { even, narrowing };

#if defined(UNITGAIN_LOOKUP) || !defined(UNITGAIN_TABLES)

template <int degree, Width width = even>
struct PiecewiseTable {
  // x lies in the interval of the integer next to x (inverse_width + growth x).
  float inverse_width;  // at 0
  float growth;         // of the steps with x; 0 if the width is even
  float limit;          // of |x|: just short of the intervals' end
  alignas(64) float center[32];
  alignas(64) float coefficient[degree + 1][32];
};

#else

// The same numbers, given in the same order: centre and coefficients of an interval in one row.
template <int degree, Width width = even>
struct PiecewiseTable {
  static constexpr int row_length = (degree + 2 + 3) / 4 * 4;
  float inverse_width, growth, limit;
  alignas(64) float row[32][row_length] = {};

  constexpr PiecewiseTable(float inverse, float increase, float end, const float (&center)[32],
                           const float (&coefficient)[degree + 1][32])
      : inverse_width(inverse), growth(increase), limit(end) {
    for (int i = 0; i < 32; ++i) {
      row[i][0] = center[i];
      for (int k = 0; k <= degree; ++k) row[i][k + 1] = coefficient[k][i];
    }
  }
};

#endif

#if defined(UNITGAIN_TABLES)

// The numbers of each lane's interval, the one of `index` modulo 32.
template <int degree, Width width>
class Interval {
 public:
  using Table = PiecewiseTable<degree, width>;

#if defined(UNITGAIN_LOOKUP)
  UNITGAIN_INLINE Interval(const Table& table, BitsVec<float> index)
      : table_(table), index_(index) {}
  UNITGAIN_INLINE Vec<float> center() const { return lookup(table_.center, index_); }
  UNITGAIN_INLINE Vec<float> coefficient(int i) const {
    return lookup(table_.coefficient[i], index_);
  }

 private:
  const Table& table_;
  BitsVec<float> index_;
#else
  UNITGAIN_INLINE Interval(const Table& table, BitsVec<float> index) {
    constexpr std::uint32_t size = Table::row_length * sizeof(float);
    static_assert(size == 32 || size == 48);
    const BitsVec<float> half = (index & 31u) << 4;
    const char* row[lanes<float>];
    rows_at(reinterpret_cast<const char*>(table.row), size == 32 ? half << 1 : (half << 1) + half,
            row);
    for (int k = 0; k < Table::row_length; k += 4) {
      transpose_quarters(row, k, &number_[k]);
    }
  }
  UNITGAIN_INLINE Vec<float> center() const { return number_[0]; }
  UNITGAIN_INLINE Vec<float> coefficient(int i) const { return number_[i + 1]; }

 private:
  Vec<float> number_[Table::row_length];
#endif
};

// For |x| <= table.limit; anything elsewhere, NaN for NaN.
template <int degree, Width width>
UNITGAIN_INLINE Vec<float> piecewise(const PiecewiseTable<degree, width>& table, Vec<float> x) {
  using F = Format<float>;
  Vec<float> steps = table.inverse_width;
  if constexpr (width == narrowing) steps = multiply_add<float>(x, table.growth, steps);
  const Vec<float> shifted = multiply_add<float>(x, steps, F::round_shift);
  const Interval<degree, width> interval(table, to_bits<float>(shifted));
  const Vec<float> distance = x - interval.center();
  Vec<float> sum = interval.coefficient(degree);
  for (int i = degree; i-- > 0;) {
    sum = multiply_add<float>(sum, distance, interval.coefficient(i));
  }
  return sum;
}

// The same with the linear term added last, which is more accurate where c[0] is nearly 0.
template <int degree>
UNITGAIN_INLINE Vec<float> piecewise_linear_last(const PiecewiseTable<degree>& table,
                                                 Vec<float> x) {
  using F = Format<float>;
  const Vec<float> shifted = multiply_add<float>(x, table.inverse_width, F::round_shift);
  const Interval<degree, even> interval(table, to_bits<float>(shifted));
  const Vec<float> distance = x - interval.center();
  Vec<float> sum = interval.coefficient(degree);
  for (int i = degree; i-- > 2;) {
    sum = multiply_add<float>(sum, distance, interval.coefficient(i));
  }
  const Vec<float> rest = multiply_add<float>(distance * distance, sum, interval.coefficient(0));
  return multiply_add<float>(distance, interval.coefficient(1), rest);
}

#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT
