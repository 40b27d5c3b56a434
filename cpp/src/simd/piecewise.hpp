// Functions of a float by polynomials on 32 intervals of one width, their coefficients picked lane
// by lane from registers. For sources in simd/ only, and for variants that have UNITGAIN_LOOKUP.
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

namespace unitgain::simd::UNITGAIN_VARIANT {

enum Width { even, narrowing };

template <int degree, Width width = even>
struct PiecewiseTable {
  // x lies in the interval of the integer next to x (inverse_width + growth x).
  float inverse_width;  // at 0
  float growth;         // of the steps with x; 0 if the width is even
  float limit;          // of |x|: just short of the intervals' end
  alignas(64) float center[32];
  alignas(64) float coefficient[degree + 1][32];
};

#if defined(UNITGAIN_LOOKUP)

// For |x| <= pieces.limit; anything elsewhere, NaN for NaN.
template <int degree, Width width>
UNITGAIN_INLINE Vec<float> piecewise(const PiecewiseTable<degree, width>& pieces, Vec<float> x) {
  using F = Format<float>;
  Vec<float> steps = pieces.inverse_width;
  if constexpr (width == narrowing) steps = multiply_add<float>(x, pieces.growth, steps);
  const Vec<float> shifted = multiply_add<float>(x, steps, F::round_shift);
  const BitsVec<float> index = to_bits<float>(shifted);
  const Vec<float> distance = x - lookup(pieces.center, index);
  Vec<float> sum = lookup(pieces.coefficient[degree], index);
  for (int i = degree; i-- > 0;) {
    sum = multiply_add<float>(sum, distance, lookup(pieces.coefficient[i], index));
  }
  return sum;
}

// The same with the linear term added last, which is more accurate where c[0] is nearly 0.
template <int degree>
UNITGAIN_INLINE Vec<float> piecewise_linear_last(const PiecewiseTable<degree>& pieces,
                                                 Vec<float> x) {
  using F = Format<float>;
  const BitsVec<float> index =
      to_bits<float>(multiply_add<float>(x, pieces.inverse_width, F::round_shift));
  const Vec<float> distance = x - lookup(pieces.center, index);
  Vec<float> sum = lookup(pieces.coefficient[degree], index);
  for (int i = degree; i-- > 2;) {
    sum = multiply_add<float>(sum, distance, lookup(pieces.coefficient[i], index));
  }
  const Vec<float> rest =
      multiply_add<float>(distance * distance, sum, lookup(pieces.coefficient[0], index));
  return multiply_add<float>(distance, lookup(pieces.coefficient[1], index), rest);
}

#endif

}  // namespace unitgain::simd::UNITGAIN_VARIANT
