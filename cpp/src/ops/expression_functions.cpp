// The functions of single elements by their names: kernels, activations, and the C library's for
// those that are seldom asked for.
#include <cmath>
#include <map>

#include "ops/expression_steps.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/activation.hpp"
#include "unitgain/activation.hpp"
#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

#define UNITGAIN_LIBRARY_UNARY(ROW) \
  ROW(sin)                          \
  ROW(cos)                          \
  ROW(tan)                          \
  ROW(asin)                         \
  ROW(acos)                         \
  ROW(atan)                         \
  ROW(sinh)                         \
  ROW(cosh)                         \
  ROW(asinh)                        \
  ROW(acosh)                        \
  ROW(atanh)                        \
  ROW(erf)                          \
  ROW(expm1)                        \
  ROW(log2)                         \
  ROW(log10)

template <class T, class F>
void each(const T* x, T* y, Index n, F&& f) {
  for (Index i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <class T, class F>
void each(const simd::Operand<T>& a, const simd::Operand<T>& b, T* y, Index n, F&& f) {
  for (Index i = 0; i < n; ++i) y[i] = f(a.data[a.single ? 0 : i], b.data[b.single ? 0 : i]);
}

// With the sign of the divisor, as in Python.
template <class T>
T remainder_of(T a, T b) {
  const T rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(T{0}, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

template <class T>
T floor_quotient(T a, T b) {
  if (b == 0) return a / b;
  const T quotient = (a - remainder_of(a, b)) / b;
  return std::nearbyint(quotient);
}

template <class T>
std::map<std::string, Function<T>> kernel_functions() {
  const auto& table = runtime::family<simd::ExpressionKernels<T>>();
  std::map<std::string, Function<T>> functions;
  const auto add = [&](const char* name, double work) -> Function<T>& {
    Function<T>& made = functions[name];
    made.work = work;
    return made;
  };
#define UNITGAIN_FUNCTION(name) add(#name, 0.1).unary = table.name;
  UNITGAIN_UNARY_FUNCTIONS(UNITGAIN_FUNCTION)
#undef UNITGAIN_FUNCTION
#define UNITGAIN_FUNCTION(name) add(#name, 0.1).binary = table.name;
  UNITGAIN_BINARY_FUNCTIONS(UNITGAIN_FUNCTION)
#undef UNITGAIN_FUNCTION
  functions["log"].work = functions["log1p"].work = 0.5;
#define UNITGAIN_FUNCTION(name)                                      \
  add(#name, 10).unary = [](const T* x, T* y, Index n) {             \
    each(x, y, n, [](T v) { return static_cast<T>(std::name(v)); }); \
  };
  UNITGAIN_LIBRARY_UNARY(UNITGAIN_FUNCTION)
#undef UNITGAIN_FUNCTION
  add("power", 20).binary = [](simd::Operand<T> a, simd::Operand<T> b, T* y, Index n) {
    each(a, b, y, n, [](T u, T v) { return static_cast<T>(std::pow(u, v)); });
  };
  add("arctan2", 20).binary = [](simd::Operand<T> a, simd::Operand<T> b, T* y, Index n) {
    each(a, b, y, n, [](T u, T v) { return static_cast<T>(std::atan2(u, v)); });
  };
  add("mod", 10).binary = [](simd::Operand<T> a, simd::Operand<T> b, T* y, Index n) {
    each(a, b, y, n, remainder_of<T>);
  };
  add("floor_divide", 10).binary = [](simd::Operand<T> a, simd::Operand<T> b, T* y, Index n) {
    each(a, b, y, n, floor_quotient<T>);
  };
  return functions;
}

}  // namespace

template <class T>
Function<T> function_named(const std::string& name) {
  static const std::map<std::string, Function<T>> functions = kernel_functions<T>();
  if (const auto found = functions.find(name); found != functions.end()) return found->second;
  const bool is_slope = name.starts_with("slope_of_");
  const Activation kind = activation_spec(is_slope ? name.substr(9) : name).kind;
  const simd::ActivationKernel<T>& kernel =
      *runtime::kernels<T>().activation->row[static_cast<int>(kind)];
  Function<T> made;
  if (is_slope) {
    made.slope = kernel.gradient;
  } else {
    made.activation = kernel.forward;
  }
  made.parameters = activation_info(kind).defaults;
  made.work = 1;
  return made;
}

template Function<float> function_named(const std::string&);
template Function<double> function_named(const std::string&);

}  // namespace unitgain::ops
