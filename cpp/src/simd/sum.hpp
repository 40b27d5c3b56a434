// Long sums whose error does not grow with the number of terms.
#pragma once

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// Terms are added up plainly in runs of this many, and the runs' sums with their rounding errors
// kept.
inline constexpr Index run_length = 32;

// A running sum, lane by lane, in twice the precision of T.
// Source: Knuth, The Art of Computer Programming, vol. 2, section 4.2.2, theorem B (the exact error
// of an addition); Ogita, Rump and Oishi, "Accurate sum and dot product", SISC 26, 2005.
template <class T>
struct LongSum {
  Vec<T> high = 0;
  Vec<T> low = 0;

  UNITGAIN_INLINE void add(Vec<T> term) {
    const Vec<T> sum = high + term;
    const Vec<T> added = sum - high;
    low += (high - (sum - added)) + (term - added);
    high = sum;
  }

  UNITGAIN_INLINE Vec<T> value() const { return high + low; }
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
