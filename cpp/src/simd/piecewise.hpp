// Functions of a float by polynomials on 32 intervals of one width, their coefficients picked lane
// by lane from registers. For sources in simd/ only, and for variants that have UNITGAIN_LOOKUP.
//
// The intervals lie around the multiples of the width, from 0 to 31 times it, or from -16 to 15. On
// an interval the function is c[0] + d (c[1] + d (c[2] + ...)) with d the distance from its centre.
// The centre is a number near the middle at which the function is almost a float, and |d| is small
// against the function's scale: nearly all of the error comes from the last addition and the
// product before it, 1 ulp. Where the function is 0, the centre is the zero, rounded, and c[0] is
// what the function is there, so that the error stays relative.
#pragma once

#include "simd/math.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

template <int degree>
struct PiecewiseTable {
  float inverse_width;
  float limit;  // of |x|: just short of the intervals' end
  alignas(64) float center[32];
  alignas(64) float coefficient[degree + 1][32];
};

#if defined(UNITGAIN_LOOKUP)

// For |x| <= pieces.limit; anything elsewhere, NaN for NaN.
template <int degree>
UNITGAIN_INLINE Vec<float> piecewise(const PiecewiseTable<degree>& pieces, Vec<float> x) {
  using F = Format<float>;
  const Vec<float> shifted = multiply_add<float>(x, pieces.inverse_width, F::round_shift);
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
