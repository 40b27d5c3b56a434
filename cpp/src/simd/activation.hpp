// How a formula becomes a row of the table of activations. For the sources activation*.cpp only.
//
// A formula is a struct of static members. Plain ones are written over Vec<T>:
//   template <class T> Vec<T> forward(Vec<T> x, const Parameters&), and derivative alike.
// Those that need more precision inside set `wide` and are written over Wide and a number type N
// (simd/number.hpp), once for both dtypes:
//   template <class N> Wide forward(Wide x, const Parameters&), and derivative alike.
// Where the derivative follows from the output cheaply, there is
//   template <class T> Vec<T> derivative_at_output(Vec<T> y, const Parameters&).
// There may be quicker ways for float, `quick_forward` and `quick_derivative`: either for every x,
// or for most, with a mask that says where; the rest then takes the wide formula, lane by lane, so
// that a result depends on its x alone. Variants with UNITGAIN_TABLES have them for all
// (simd/piecewise.hpp, and for GELU on AVX2 simd/octaves.hpp), but where tables are in memory some
// are quicker without them (simd/activation_single.hpp); the others have them for the commonest.
#pragma once

#include "simd/activation_rows.hpp"
#include "simd/generated/activation_tables.hpp"
#include "simd/number.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

struct Parameters {
  double value[3];
};

// Values, and the lanes in which they hold.
struct Partial {
  Vec<float> value;
  Mask<float> holds;
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

template <class F>
concept HasQuickForward = requires(Vec<float> x, const Parameters& p) { F::quick_forward(x, p); };
template <class F>
concept HasQuickDerivative =
    requires(Vec<float> x, const Parameters& p) { F::quick_derivative(x, p); };

template <class F, class T>
struct Forward {
  static constexpr bool is_quick = sizeof(T) == sizeof(float) && HasQuickForward<F>;
  UNITGAIN_INLINE static Vec<T> general(Vec<T> x, const Parameters& p) {
    return value_of<F, T>(x, p);
  }
  UNITGAIN_INLINE static auto quick(Vec<float> x, const Parameters& p) {
    return F::quick_forward(x, p);
  }
};

template <class F, class T>
struct Derivative {
  static constexpr bool is_quick = sizeof(T) == sizeof(float) && HasQuickDerivative<F>;
  UNITGAIN_INLINE static Vec<T> general(Vec<T> x, const Parameters& p) {
    return slope_of<F, T>(x, p);
  }
  UNITGAIN_INLINE static auto quick(Vec<float> x, const Parameters& p) {
    return F::quick_derivative(x, p);
  }
};

// result_i = finish(f(x_i)) where the quick formula holds, and then elsewhere by the general one,
// in blocks. Lanes that wait are not written, so that an `x` that is also the result is still there
// for them, as is whatever `finish` loads.
template <class Way, class Finish>
UNITGAIN_INLINE void quick_then_general(const float* x, float* result, Index n, const Parameters& p,
                                        Finish&& finish) {
  constexpr Index block = 32;
  constexpr bool stores_masked = register_bytes == 64;
  Mask<float> written[block];
  Index first = 0;  // of the vector at hand
  // Returns the lanes that wait.
  const auto quickly = [&](Index i, auto load_at, auto is_inside) __attribute__((always_inline)) {
    const Partial y = Way::quick(load_at(x + first), p);
    written[i] = is_inside(y.holds);
    const Vec<float> value = finish(y.value, load_at, first);
    if constexpr (stores_masked) {
      store_where(written[i], value, result + first);
    } else if (all_of(written[i])) {  // AMD's masked store takes as long as a dozen plain ones
      store(value, result + first);
    } else {
      store_where(written[i], value, result + first);
    }
    return is_inside(!y.holds);
  };
  const auto slowly = [&](Index i, auto load_at, auto is_inside) __attribute__((always_inline)) {
    const Mask<float> waits = is_inside(!written[i]);
    if (none_of(waits)) return;
    const Vec<float> value = finish(Way::general(load_at(x + first), p), load_at, first);
    store_where(waits, value, result + first);
  };
  const auto whole = [](const float* from) __attribute__((always_inline)) { return load(from); };
  const auto all = [](Mask<float> mask) __attribute__((always_inline)) { return mask; };
  while (n - first >= lanes<float>) {
    const Index begin = first, left = (n - first) / lanes<float>;
    const Index count = left < block ? left : block;
    Mask<float> waits(false);
    for (Index i = 0; i < count; ++i, first += lanes<float>) {
      waits = waits || quickly(i, whole, all);
    }
    if (none_of(waits)) [[likely]]
      continue;
    first = begin;
    for (Index i = 0; i < count; ++i, first += lanes<float>) slowly(i, whole, all);
  }
  if (const Index rest = n - first; rest > 0) {
    const auto part = [rest](const float* from)
                          __attribute__((always_inline)) { return load_partial(from, rest); };
    const auto inside = [rest](Mask<float> mask) __attribute__((always_inline)) {
      return mask && lane_index<float>() < static_cast<float>(rest);
    };
    if (any_of(quickly(0, part, inside))) slowly(0, part, inside);
  }
}

// result_i = finish(f(x_i)), by the quickest way that there is.
template <class Way, class T, class Finish>
UNITGAIN_INLINE void evaluate(const T* x, T* result, Index n, const double* parameters,
                              Finish&& finish) {
  const Parameters p{{parameters[0], parameters[1], parameters[2]}};
  if constexpr (!Way::is_quick) {
    for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
      store_at(finish(Way::general(load_at(x), p), load_at, 0), result);
    });
  } else if constexpr (std::is_same_v<decltype(Way::quick(Vec<float>(), p)), Partial>) {
    quick_then_general<Way>(x, result, n, p, finish);
  } else {
    for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
      store_at(finish(Way::quick(load_at(x), p), load_at, 0), result);
    });
  }
}

template <class Formula, class T>
void activation_forward(const T* x, T* y, Index n, const double* parameters) {
  evaluate<Forward<Formula, T>, T>(x, y, n, parameters,
                                   [](Vec<T> value, auto, Index)
                                       __attribute__((always_inline)) { return value; });
}

template <class Formula, class T>
void activation_gradient(const T* x, const T* upstream, T* gradient, Index n,
                         const double* parameters) {
  evaluate<Derivative<Formula, T>, T>(
      x, gradient, n, parameters,
      [upstream](Vec<T> slope, auto load_at, Index first)
          __attribute__((always_inline)) { return load_at(upstream + first) * slope; });
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

#define UNITGAIN_SAVES_INPUT(kind, name, saves_input, ...) saves_input,
inline constexpr bool saves_input[] = {UNITGAIN_ACTIVATIONS(UNITGAIN_SAVES_INPUT)};
#undef UNITGAIN_SAVES_INPUT

// The kernels of an activation by its formula; its row must be true of it.
#define UNITGAIN_ACTIVATION(kind, Formula)                           \
  static_assert(HasDerivativeAtOutput<Formula, float> !=             \
                saves_input[static_cast<int>(Activation::kind)]);    \
  constinit const ActivationKernel<float> activation_##kind##_f32 =  \
      activation_row<Formula, float>();                              \
  constinit const ActivationKernel<double> activation_##kind##_f64 = \
      activation_row<Formula, double>();

}  // namespace unitgain::simd::UNITGAIN_VARIANT
