// PReLU: a leaky ReLU whose slopes are given, one for each element.
// Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
#include "simd/kernels/activation.hpp"
#include "simd/math.hpp"
#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
void forward(const T* x, const T* alpha, T* y, Index n) {
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> value = load_at(x);
    store_at(select<T>(value < T{0}, value * load_at(alpha), value), y);
  });
}

template <class T>
void gradient(const T* x, const T* alpha, const T* upstream, T* gradient, T* products, Index n) {
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> value = load_at(x), above = load_at(upstream);
    const Mask<T> positive = value > T{0};
    if (products != nullptr) store_at(select<T>(positive, T{0}, above * value), products);
    if (gradient != nullptr) store_at(select<T>(positive, above, above * load_at(alpha)), gradient);
  });
}

template <class T>
constexpr PreluKernels<T> kernels = {.forward = forward<T>, .gradient = gradient<T>};

}  // namespace

constinit const PreluKernels<float> prelu_f32 = kernels<float>;
constinit const PreluKernels<double> prelu_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
