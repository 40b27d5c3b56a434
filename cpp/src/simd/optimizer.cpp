// The optimizers' element-wise updates; ops/update.hpp has the formulas and their sources.
#include <type_traits>

#include "simd/math.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
void sgd(T* w, const T* g, Index n, T rate) {
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    store_at(load_at(w) - rate * load_at(g), w);
  });
}

template <class T>
void sgd_momentum(T* w, const T* g, T* v, Index n, T rate, T momentum, bool nesterov) {
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> step = rate * load_at(g);
    const Vec<T> velocity = momentum * load_at(v) - step;
    store_at(velocity, v);
    store_at(load_at(w) + (nesterov ? momentum * velocity - step : velocity), w);
  });
}

// a / (sqrt(b) + c) for b >= 0, c >= 0.
template <class T>
UNITGAIN_INLINE Vec<T> divide_by_root(Vec<T> a, Vec<T> b, T c) {
#if defined(UNITGAIN_ESTIMATES)
  if constexpr (std::is_same_v<T, float>) {
    // A square root and a division of 16 floats take 35 cycles, more than all the rest of an
    // update. One Newton step on each 14-bit estimate leaves an error below 2^-26, an ulp after
    // rounding; it needs b to be neither 0 nor denormal nor too large.
    if (stdx::all_of(b > 0x1p-120f && b < 0x1p120f)) {
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

template <class T>
void adam(T* w, const T* g, T* m, T* v, Index n, T rate, T one_minus_beta_1, T one_minus_beta_2,
          T epsilon) {
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> gradient = load_at(g);
    const Vec<T> old_first = load_at(m), old_second = load_at(v);
    const Vec<T> first = multiply_add<T>(gradient - old_first, one_minus_beta_1, old_first);
    const Vec<T> second =
        multiply_add<T>(gradient * gradient - old_second, one_minus_beta_2, old_second);
    store_at(first, m);
    store_at(second, v);
    store_at(load_at(w) - rate * divide_by_root<T>(first, second, epsilon), w);
  });
}

template <class T>
constexpr OptimizerKernels<T> kernels = {&sgd<T>, &sgd_momentum<T>, &adam<T>};

}  // namespace

constinit const OptimizerKernels<float> optimizer_f32 = kernels<float>;
constinit const OptimizerKernels<double> optimizer_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
