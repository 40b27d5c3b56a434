// Shared by softmax and the losses: an exponential for arguments that are not positive, logarithms
// in both types, and loops over rows. For sources in simd/ only.
#pragma once

#include "simd/math.hpp"
#include "simd/sum.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// v > best ? v : best: a NaN in v is passed over, one in `best` stays.
template <class T>
UNITGAIN_INLINE Vec<T> larger(Vec<T> v, Vec<T> best) {
#if defined(UNITGAIN_LARGER)
  return larger(v, best);
#else
  where(v > best, best) = v;
  return best;
#endif
}

// exp x for x <= 0 to about 1 ulp, with 0 for results below the normal range; NaN stays NaN.
template <class T>
UNITGAIN_INLINE Vec<T> exp_nonpositive(Vec<T> x) {
  using F = Format<T>;
#if !defined(UNITGAIN_SCALE)
  const Mask<T> tiny = x < F::exp_normal;
  where(tiny, x) = T{0};
#endif
  const Vec<T> shifted = multiply_add<T>(x, F::log2_e, F::round_shift);
  const Vec<T> n = shifted - F::round_shift;
  const Vec<T> r = multiply_add<T>(n, -F::ln2_low, multiply_add<T>(n, -F::ln2_high, x));
  const Vec<T> power = exp_reduced<T>(r);
#if defined(UNITGAIN_SCALE)
  return scaled_unless_below(power, n, x, Vec<T>(F::exp_normal));
#else
  Vec<T> value = power * power_of_two<T>(to_bits<T>(shifted) - to_bits<T>(Vec<T>(F::round_shift)));
  where(tiny, value) = T{0};
  return value;
#endif
}

// exp x - 1 for x <= 0.
template <class T>
UNITGAIN_INLINE Vec<T> expm1_nonpositive(Vec<T> x) {
  using F = Format<T>;
  constexpr T lowest = sizeof(T) == sizeof(float) ? T(-18) : T(-38);  // the result is -1 below
  where(x < lowest, x) = lowest;
  const auto [n, r, lost] = reduce_exponent<T>(x);
  const Vec<T> scale = power_of_two<T>(n);
  const Vec<T> p = multiply_add<T>(r * r, polynomial<T>(r, F::exp_polynomial), r);
  return multiply_add<T>(scale, p, scale - T{1});
}

template <class T>
struct LogFormat;
template <>
struct LogFormat<float> {
  static constexpr std::uint32_t root = 0x3f3504f3;  // the bits of sqrt(1/2)
  // 2 artanh s = 2 s + s^3 (series in s^2), |s| < 0.1716; what is left out is below 2^-28.
  static constexpr float series[] = {2.f / 3, 2.f / 5, 2.f / 7, 2.f / 9};
};
template <>
struct LogFormat<double> {
  static constexpr std::uint64_t root = 0x3fe6a09e667f3bcd;
  static constexpr double series[] = {2. / 3,  2. / 5,  2. / 7,  2. / 9,  2. / 11, 2. / 13,
                                      2. / 15, 2. / 17, 2. / 19, 2. / 21, 2. / 23};
};

// log x for x in the normal range, as `logarithm` does for double.
template <class T>
UNITGAIN_INLINE Vec<T> log_normal(Vec<T> x) {
  using F = Format<T>;
  using Bits = typename F::Bits;
  constexpr Bits bias = F::exponent_bias + 1;
  const BitsVec<T> offset = to_bits<T>(x) - BitsVec<T>(LogFormat<T>::root);
  const BitsVec<T> field = (offset + BitsVec<T>(bias << F::fraction_bits)) >> F::fraction_bits;
  const Vec<T> k = from_bits<T>(field + to_bits<T>(Vec<T>(F::round_shift))) -
                   (F::round_shift + static_cast<T>(bias));
  const BitsVec<T> fraction = offset & BitsVec<T>((Bits{1} << F::fraction_bits) - 1);
  const Vec<T> m = from_bits<T>(fraction + BitsVec<T>(LogFormat<T>::root));
  const Vec<T> s = (m - T{1}) / (m + T{1});
  const Vec<T> s2 = s * s;
  const Vec<T> log_m = T{2} * s + s * s2 * polynomial<T>(s2, LogFormat<T>::series);
  return k * F::ln2_high + (log_m + k * F::ln2_low);
}

// log x for any x: NaN below 0, -inf at 0. Denormal numbers count as 0.
template <class T>
UNITGAIN_INLINE Vec<T> log_any(Vec<T> x) {
  Vec<T> result = log_normal<T>(x);
  where(!(x < Format<T>::infinity), result) = x;
  where(x < std::bit_cast<T>(typename Format<T>::Bits{1} << Format<T>::fraction_bits), result) =
      -Format<T>::infinity;
  where(x < T{0}, result) = Format<T>::infinity - Format<T>::infinity;
  return result;
}

// log(1 + x) for -1 < x < infinity; NaN stays NaN. What 1 + x loses in rounding is added to first
// order, and that is enough.
template <class T>
UNITGAIN_INLINE Vec<T> log1p_finite(Vec<T> x) {
  const Vec<T> sum = T{1} + x;
  const Vec<T> lost = x - (sum - T{1});
  return log_normal<T>(sum) + lost / sum;
}

// A sum whose error does not grow with the number of terms: plain runs, their sums added exactly.
template <class T>
struct RunningSum {
  LongSum<T> total;
  Vec<T> partial = 0;
  Index count = 0;

  UNITGAIN_INLINE void add(Vec<T> term) {
    partial += term;
    if (++count % run_length == 0) [[unlikely]] {
      total.add(partial);
      partial = T{0};
    }
  }
  // Lane by lane; at the end.
  UNITGAIN_INLINE Vec<T> lanes_value() {
    total.add(partial);
    return total.value();
  }
  UNITGAIN_INLINE T value() { return reduce(lanes_value()); }
};

// Calls body(v, i) for the vectors of a row, the lanes beyond its end being `fill`.
template <class T, class Body>
UNITGAIN_INLINE void for_each_filled(const T* row, Index n, T fill, Body&& body) {
  Index i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) body(load(row + i), i);
  if (const Index rest = n - i; rest > 0) {
    Vec<T> v = load_partial(row + i, rest);
    where(lane_index<T>() >= static_cast<T>(rest), v) = fill;
    body(v, i);
  }
}

template <class T>
UNITGAIN_INLINE Vec<T> load_at(const T* row, Index i, Index n) {
  if (i + lanes<T> <= n) [[likely]] {
    return load(row + i);
  } else {
    return load_partial(row + i, n - i);
  }
}

template <class T>
UNITGAIN_INLINE void store_at(Vec<T> v, T* row, Index i, Index n) {
  if (i + lanes<T> <= n) [[likely]] {
    store(v, row + i);
  } else {
    store_partial(v, row + i, n - i);
  }
}

template <class T>
UNITGAIN_INLINE void scale_row(T* row, Index n, T factor) {
  for_each_vector<T>(n, [&](auto load_from, auto store_to) __attribute__((always_inline)) {
    store_to(load_from(row) * factor, row);
  });
}

template <class T>
UNITGAIN_INLINE void fill_row(T* row, Index n, T value) {
  for_each_vector<T>(
      n, [&](auto, auto store_to) __attribute__((always_inline)) { store_to(Vec<T>(value), row); });
}

// The largest of a row, NaN apart; -inf for none.
template <class T>
UNITGAIN_INLINE T row_maximum(const T* row, Index n) {
  constexpr Index step = lanes<T>;
  Vec<T> a = -Format<T>::infinity, b = a, c = a, d = a;
  Index i = 0;
  for (; i + 4 * step <= n; i += 4 * step) {
    a = larger<T>(load(row + i), a);
    b = larger<T>(load(row + i + step), b);
    c = larger<T>(load(row + i + 2 * step), c);
    d = larger<T>(load(row + i + 3 * step), d);
  }
  for_each_filled<T>(row + i, n - i, -Format<T>::infinity,
                     [&](Vec<T> v, Index) __attribute__((always_inline)) { a = larger<T>(v, a); });
  return hmax(larger<T>(larger<T>(a, b), larger<T>(c, d)));
}

struct Largest {
  bool has_nan;
  Index index;  // of the largest value, or of the first NaN
};

template <class T>
UNITGAIN_INLINE Index first_equal(const T* row, Index n, T value) {
  Index i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    const Mask<T> equal = load(row + i) == value;
    if (any_of(equal)) return i + find_first_set(equal);
  }
  for (; i < n; ++i) {
    if (row[i] == value) return i;
  }
  return 0;
}

// The index numpy.argmax gives.
template <class T>
UNITGAIN_INLINE Largest largest(const T* row, Index n) {
  Vec<T> best = -Format<T>::infinity;
  Mask<T> unordered(false);
  for_each_filled<T>(row, n, -Format<T>::infinity,
                     [&](Vec<T> v, Index) __attribute__((always_inline)) {
                       unordered = unordered || v != v;
                       best = larger<T>(v, best);
                     });
  if (any_of(unordered)) {
    Index i = 0;
    while (row[i] == row[i]) ++i;
    return {true, i};
  }
  return {false, first_equal<T>(row, n, hmax(best))};
}

// The sum of a row's exp(x - max) without one for the maximum itself, beside which a small rest
// would lose its digits: terms of 1 are counted apart.
template <class T>
struct Rest {
  RunningSum<T> sum;
  Vec<T> tops = 0;

  UNITGAIN_INLINE void add(Vec<T> exponential) {
    const Mask<T> top = exponential == T{1};
    sum.add(select<T>(top, T{0}, exponential));
    where(top, tops) = tops + T{1};
  }
  UNITGAIN_INLINE T value() { return sum.value() + (reduce(tops) - T{1}); }
  UNITGAIN_INLINE Vec<T> lanes_value() { return sum.lanes_value() + (tops - T{1}); }
};

// Writes exp(row - peak) to `to`, unless that is null, and returns their sum without one for the
// peak. NaN if the peak is not finite. From 2 on, the sum of all keeps enough of the rest; below,
// it takes a second look, at what is in the cache by then.
template <class T>
UNITGAIN_INLINE T row_exponentials(const T* row, Index n, T peak, T* to) {
  RunningSum<T> sum;
  for_each_filled<T>(row, n, -Format<T>::infinity,
                     [&](Vec<T> v, Index i) __attribute__((always_inline)) {
                       const Vec<T> e = exp_nonpositive<T>(v - peak);
                       if (to != nullptr) store_at<T>(e, to, i, n);
                       sum.add(e);
                     });
  const T all = sum.value();
  if (!(all < T{2})) return all - T{1};
  Rest<T> rest;
  if (to != nullptr) {
    for_each_filled<T>(to, n, T{0},
                       [&](Vec<T> e, Index) __attribute__((always_inline)) { rest.add(e); });
  } else {
    for_each_filled<T>(row, n, -Format<T>::infinity,
                       [&](Vec<T> v, Index) __attribute__((always_inline)) {
                         rest.add(exp_nonpositive<T>(v - peak));
                       });
  }
  return rest.value();
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
