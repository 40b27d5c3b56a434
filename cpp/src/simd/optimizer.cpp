// The optimizers' updates: one struct a rule, whose step() returns the new weights.
#include <type_traits>

#include "simd/kernels/optimizer.hpp"
#include "simd/math.hpp"
#include "simd/softmax_math.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// a / (sqrt(b) + c) for c >= 0.
template <class T>
UNITGAIN_INLINE Vec<T> divide_by_root(Vec<T> a, Vec<T> b, T c) {
#if defined(UNITGAIN_ESTIMATES)
  if constexpr (std::is_same_v<T, float>) {
    // A square root and a division of 16 floats take 35 cycles, more than all the rest of an
    // update. One Newton step on each 14-bit estimate leaves an error below 2^-26, an ulp after
    // rounding; it needs b to be neither 0 nor denormal nor too large.
    if (all_of(b > 0x1p-120f && b < 0x1p120f)) {
      const Vec<T> r = root_reciprocal_estimate(b);
      const Vec<T> r_error = multiply_add<T>(T(-0.5) * b * r, r, Vec<T>(T(0.5)));
      const Vec<T> divisor = b * multiply_add<T>(r, r_error, r) + c;
      const Vec<T> q = reciprocal_estimate(divisor);
      const Vec<T> q_error = multiply_add<T>(-divisor, q, Vec<T>(T(1)));
      return a * multiply_add<T>(q, q_error, q);
    }
  }
#endif
  return a / (square_root<T>(b) + c);
}

// The larger, or NaN if one is.
template <class T>
UNITGAIN_INLINE Vec<T> maximum(Vec<T> a, Vec<T> b) {
  where(b > a || b != b, a) = b;
  return a;
}

// A rule's view of one vector: its slots, loaded and stored, and the factors.
template <class T, class Load, class Store>
struct Slots {
  const UpdateArrays<T>& arrays;
  Load load_at;
  Store store_at;

  UNITGAIN_INLINE Vec<T> get(int slot) const { return load_at(arrays.slots[slot]); }
  UNITGAIN_INLINE Vec<T> put(int slot, Vec<T> value) const {
    store_at(value, arrays.slots[slot]);
    return value;
  }
  UNITGAIN_INLINE Vec<T> move(int slot, Vec<T> to, T rest) const {
    const Vec<T> old = get(slot);
    return put(slot, multiply_add<T>(to - old, rest, old));
  }
};

struct Average {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T>, const S&, const UpdateFactors<T>&) {
    return w;
  }
};

struct Sgd {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S&, const UpdateFactors<T>& f) {
    return w - f.rate * g;
  }
};

template <bool nesterov>
struct Momentum {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> change = f.rate * g;
    const Vec<T> velocity = s.put(0, f.momentum * s.get(0) - change);
    return w + (nesterov ? f.momentum * velocity - change : velocity);
  }
};

struct Adagrad {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> squares = s.put(0, multiply_add<T>(g, g, s.get(0)));
    return w - f.rate * divide_by_root<T>(g, squares + f.epsilon, T(0));
  }
};

struct Adadelta {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> squares = s.move(0, g * g, f.one_minus_beta_2);
    const Vec<T> root = square_root<T>(s.get(1) + f.epsilon);
    const Vec<T> change = divide_by_root<T>(root * g, squares + f.epsilon, T(0));
    s.move(1, change * change, f.one_minus_beta_2);
    return w - f.rate * change;
  }
};

template <bool centered, bool momentum>
struct Rmsprop {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    Vec<T> square = s.move(0, g * g, f.one_minus_beta_2);
    if constexpr (centered) {
      const Vec<T> mean = s.move(momentum ? 2 : 1, g, f.one_minus_beta_2);
      square -= mean * mean;
    }
    Vec<T> change = f.rate * divide_by_root<T>(g, square + f.epsilon, T(0));
    if constexpr (momentum) change = s.put(1, multiply_add<T>(f.momentum, s.get(1), change));
    return w - change;
  }
};

template <bool amsgrad>
struct Adam {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> first = s.move(0, g, f.one_minus_beta_1);
    Vec<T> second = s.move(1, g * g, f.one_minus_beta_2);
    if constexpr (amsgrad) second = s.put(2, maximum<T>(s.get(2), second));
    return w - f.rate * divide_by_root<T>(first, second, f.epsilon);
  }
};

struct Adamax {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> first = s.move(0, g, f.one_minus_beta_1);
    const Vec<T> old = s.get(1);
    const Vec<T> norm = s.put(1, maximum<T>(old - old * f.one_minus_beta_2, abs(g)));
    return w - f.rate * first / (norm + f.epsilon);
  }
};

struct Nadam {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> first = s.move(0, g, f.one_minus_beta_1);
    const Vec<T> second = s.move(1, g * g, f.one_minus_beta_2);
    const Vec<T> ahead = multiply_add<T>(f.gradient_rate, g, f.rate * first);
    return w - divide_by_root<T>(ahead, second, f.epsilon);
  }
};

struct Lion {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> old = s.get(0);
    Vec<T> sign = multiply_add<T>(g - old, f.one_minus_beta_1, old);  // a zero and a NaN remain
    where(sign > T(0), sign) = T(1);
    where(sign < T(0), sign) = T(-1);
    s.put(0, multiply_add<T>(g - old, f.one_minus_beta_2, old));
    return w - f.rate * sign;
  }
};

template <bool nesterov>
struct Muon {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T>, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> m = s.put(0, multiply_add<T>(f.momentum, s.get(0), g));
    return nesterov ? multiply_add<T>(f.momentum, m, g) : m;
  }
};

// The step's direction, whose size is chosen when the norms of the whole array are known.
struct Lamb {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T>, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    const Vec<T> first = s.move(0, g, f.one_minus_beta_1);
    const Vec<T> second = s.move(1, g * g, f.one_minus_beta_2);
    return f.rate * divide_by_root<T>(first, second, f.epsilon);
  }
};

struct Gradient {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T>, Vec<T> g, const S&, const UpdateFactors<T>&) {
    return g;
  }
};

struct Adafactor {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T>, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    return divide_by_root<T>(g, s.move(0, multiply_add<T>(g, g, f.epsilon), f.one_minus_beta_2),
                             T(0));
  }
};

// x^power for x >= 0 and power >= 0.
template <class T>
UNITGAIN_INLINE Vec<T> raised(Vec<T> x, T power) {
  if (power == T(0)) return T(1);
  const Vec<T> exponent = power * log_any<T>(x);
  const Vec<T> inverse = exp_nonpositive<T>(-abs(exponent));
  return select<T>(exponent > T(0), T(1) / inverse, inverse);
}

struct Ftrl {
  template <class T, class S>
  UNITGAIN_INLINE static Vec<T> step(Vec<T> w, Vec<T> g, const S& s, const UpdateFactors<T>& f) {
    if (f.rate == T(0)) return w;
    const Vec<T> old = s.get(0), squares = s.put(0, multiply_add<T>(g, g, old));
    Vec<T> root, change;
    if (f.power == T(0.5)) {
      // The difference of the roots without cancellation.
      root = square_root<T>(squares);
      change = g * g / (root + square_root<T>(old));
      where(squares == T(0), change) = T(0);
    } else {
      root = raised<T>(squares, f.power);
      change = root - raised<T>(old, f.power);
    }
    const Vec<T> shrunk = multiply_add<T>(T(2) * f.shrinkage, w, g);
    const Vec<T> linear = s.put(1, s.get(1) + shrunk - change / f.rate * w);
    Vec<T> beyond = -linear;  // of what l1 takes away
    where(linear > T(0), beyond) = f.l1 - linear;
    where(linear < T(0), beyond) = -f.l1 - linear;
    where(abs(linear) <= f.l1, beyond) = T(0);
    const Vec<T> divisor = (root + f.beta) / f.rate + T(2) * f.l2;
    return select<T>(beyond == T(0), beyond, beyond / divisor);
  }
};

// For rules that return a change and not a weight.
template <class Rule>
inline constexpr bool makes_change =
    std::is_same_v<Rule, Muon<false>> || std::is_same_v<Rule, Muon<true>> ||
    std::is_same_v<Rule, Lamb> || std::is_same_v<Rule, Gradient> || std::is_same_v<Rule, Adafactor>;

template <class T>
UNITGAIN_INLINE Vec<T> clipped(Vec<T> g, const UpdateFactors<T>& f) {
  g = g * f.scale[0] * f.scale[1];
  if (f.clip > 0) {
    // Comparisons, because a minimum of vectors may lose a NaN.
    where(g > f.clip, g) = f.clip;
    where(g < -f.clip, g) = -f.clip;
  }
  return g;
}

template <class T, class Rule, bool full>
void update(const UpdateArrays<T>& given_arrays, Index n, const UpdateFactors<T>& given_factors) {
  // Copies, which the stores below cannot change.
  const UpdateArrays<T> a = given_arrays;
  const UpdateFactors<T> f = given_factors;
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    Vec<T> w = 0, g = 0;
    if constexpr (!makes_change<Rule>) w = load_at(a.w);
    if constexpr (!std::is_same_v<Rule, Average>) g = load_at(a.g);
    if constexpr (full) {
      g = clipped<T>(g, f);
      if (f.decay != T(0)) w = multiply_add<T>(-w, Vec<T>(f.decay), w);
    }
    w = Rule::template step<T>(
        w, g, Slots<T, decltype(load_at), decltype(store_at)>{a, load_at, store_at}, f);
    if (full && a.average != nullptr) {
      const Vec<T> old = load_at(a.average);
      // All of it is taken at the first step, when old is zero: then exactly.
      const Vec<T> average = multiply_add<T>(w - old, Vec<T>(f.average_rest), old);
      store_at(average, a.average);
      if (f.overwrite) w = average;
    }
    store_at(w, a.w);
  });
}

template <class T, class Rule>
constexpr typename OptimizerKernels<T>::Row row = {&update<T, Rule, false>, &update<T, Rule, true>};

#define UNITGAIN_MEMBER(update, ...) typename OptimizerKernels<T>::Row update;
template <class T>
struct Rows {
  UNITGAIN_UPDATES(UNITGAIN_MEMBER)
};
#undef UNITGAIN_MEMBER

template <class T>
constexpr Rows<T> rows = {
    .average = row<T, Average>,
    .sgd = row<T, Sgd>,
    .momentum = row<T, Momentum<false>>,
    .nesterov = row<T, Momentum<true>>,
    .adagrad = row<T, Adagrad>,
    .adadelta = row<T, Adadelta>,
    .rmsprop = row<T, Rmsprop<false, false>>,
    .rmsprop_momentum = row<T, Rmsprop<false, true>>,
    .rmsprop_centered = row<T, Rmsprop<true, false>>,
    .rmsprop_centered_momentum = row<T, Rmsprop<true, true>>,
    .adam = row<T, Adam<false>>,
    .amsgrad = row<T, Adam<true>>,
    .adamax = row<T, Adamax>,
    .nadam = row<T, Nadam>,
    .lion = row<T, Lion>,
    .muon = row<T, Muon<false>>,
    .muon_nesterov = row<T, Muon<true>>,
    .lamb = row<T, Lamb>,
    .ftrl = row<T, Ftrl>,
    .gradient = row<T, Gradient>,
    .adafactor = row<T, Adafactor>,
};

#define UNITGAIN_KERNEL(update, ...) rows<T>.update,
template <class T>
constexpr OptimizerKernels<T> kernels = {.row = {UNITGAIN_UPDATES(UNITGAIN_KERNEL)}};
#undef UNITGAIN_KERNEL

}  // namespace

constinit const OptimizerKernels<float> optimizer_f32 = kernels<float>;
constinit const OptimizerKernels<double> optimizer_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
