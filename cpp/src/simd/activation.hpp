// How a formula becomes a row of the table of activations. For the sources activation*.cpp only.
//
// A formula is a struct of static members. Plain ones are written over Vec<T>:
//   template <class T> Vec<T> forward(Vec<T> x, const Parameters&), and derivative alike.
// Those that need more precision inside set `wide` and are written over Wide and a number type N
// (simd/number.hpp), once for both dtypes:
//   template <class N> Wide forward(Wide x, const Parameters&), and derivative alike.
// Where the derivative follows from the output cheaply, there is
//   template <class T> Vec<T> derivative_at_output(Vec<T> y, const Parameters&).
#pragma once

#include "simd/activation_rows.hpp"
#include "simd/number.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

struct Parameters {
  double value[3];
};

template <class F>
concept IsWide = F::wide;

template <class F, class T>
UNITGAIN_INLINE Vec<T> value_of(Vec<T> x, const Parameters& p) {
  if constexpr (!IsWide<F>) {
    return F::template forward<T>(x, p);
  } else if constexpr (sizeof(T) == sizeof(float)) {
    return by_halves(x, [&](Wide half) __attribute__((always_inline)) {
      return F::template forward<Wide>(half, p);
    });
  } else {
    return F::template forward<Twofold>(x, p);
  }
}

template <class F, class T>
UNITGAIN_INLINE Vec<T> slope_of(Vec<T> x, const Parameters& p) {
  if constexpr (!IsWide<F>) {
    return F::template derivative<T>(x, p);
  } else if constexpr (sizeof(T) == sizeof(float)) {
    return by_halves(x, [&](Wide half) __attribute__((always_inline)) {
      return F::template derivative<Wide>(half, p);
    });
  } else {
    return F::template derivative<Twofold>(x, p);
  }
}

template <class Formula, class T>
void activation_forward(const T* x, T* y, Index n, const double* parameters) {
  const Parameters p{{parameters[0], parameters[1], parameters[2]}};
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    store_at(value_of<Formula, T>(load_at(x), p), y);
  });
}

template <class Formula, class T>
void activation_gradient(const T* x, const T* upstream, T* gradient, Index n,
                         const double* parameters) {
  const Parameters p{{parameters[0], parameters[1], parameters[2]}};
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> slope = slope_of<Formula, T>(load_at(x), p);
    store_at(load_at(upstream) * slope, gradient);
  });
}

template <class Formula, class T>
void activation_gradient_at_output(const T* y, const T* upstream, T* gradient, Index n,
                                   const double* parameters) {
  const Parameters p{{parameters[0], parameters[1], parameters[2]}};
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    store_at(load_at(upstream) * Formula::template derivative_at_output<T>(load_at(y), p),
             gradient);
  });
}

template <class F, class T>
concept HasDerivativeAtOutput =
    requires(Vec<T> y, const Parameters& p) { F::template derivative_at_output<T>(y, p); };

template <class Formula, class T>
constexpr ActivationKernel<T> activation_row() {
  if constexpr (HasDerivativeAtOutput<Formula, T>) {
    return {&activation_forward<Formula, T>, &activation_gradient<Formula, T>,
            &activation_gradient_at_output<Formula, T>};
  } else {
    return {&activation_forward<Formula, T>, &activation_gradient<Formula, T>, nullptr};
  }
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
