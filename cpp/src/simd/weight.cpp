// Penalties of weights, and the constraints that weights are held to.
#include "simd/kernels/weight.hpp"
#include "simd/column_group.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
void magnitudes(const T* w, Index n, double* sums) {
  // Plain loops over lanes, which become conversions of whole vectors.
  double absolute[lanes<T>] = {}, squares[lanes<T>] = {};
  for_each_vector<T>(n, [&](auto load_at, auto) __attribute__((always_inline)) {
    alignas(Vec<T>) T lane[lanes<T>];
    store(abs(load_at(w)), lane);
    for (Index i = 0; i < lanes<T>; ++i) {
      const double value = static_cast<double>(lane[i]);
      absolute[i] += value;
      squares[i] += value * value;
    }
  });
  sums[0] = sums[1] = 0;
  for (Index i = 0; i < lanes<T>; ++i) {
    sums[0] += absolute[i];
    sums[1] += squares[i];
  }
}

template <class T>
void penalize(const PenaltyArrays<T>& given_arrays, Index n,
              const PenaltyFactors<T>& given_factors) {
  // Copies, which the stores below cannot change.
  const PenaltyArrays<T> a = given_arrays;
  const PenaltyFactors<T> f = given_factors;
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> w = load_at(a.w);
    Vec<T> sign = w;  // a zero and a NaN remain
    where(w > T(0), sign) = T(1);
    where(w < T(0), sign) = T(-1);
    Vec<T> g = load_at(a.g);
    if (f.l1 != T(0)) g = multiply_add<T>(sign, Vec<T>(f.l1), g);
    if (f.l2 != T(0)) g = multiply_add<T>(w, Vec<T>(T(2) * f.l2), g);
    if (a.sum != nullptr) g += load_at(a.sum);
    store_at(g * f.scale, a.gradient);
  });
}

template <class T>
void non_negative(T* w, Index n) {
  for_each_vector<T>(n, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    Vec<T> value = load_at(w);
    where(value < T(0), value) = T(0);
    store_at(value, w);
  });
}

template <class T>
void column_squares(const T* w, Index row_stride, Index rows, Index cols, T* squares) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    LongSum<T> totals[columns.count][1];
    sum_rows(rows, totals, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
      const Vec<T> value = columns.get(w + i * row_stride, v);
      partial[0] = multiply_add<T>(value, value, partial[0]);
    });
    for (int v = 0; v < columns.count; ++v) columns.put(totals[v][0].value(), squares, v);
  });
}

template <class T>
void scale_columns(T* w, Index row_stride, Index rows, Index cols, const T* factors) {
  for (Index i = 0; i < rows; ++i) {
    T* row = w + i * row_stride;
    for_each_vector<T>(cols, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
      store_at(load_at(row) * load_at(factors), row);
    });
  }
}

template <class T>
constexpr WeightKernels<T> kernels = {
    .magnitudes = magnitudes<T>,
    .penalize = penalize<T>,
    .non_negative = non_negative<T>,
    .column_squares = column_squares<T>,
    .scale_columns = scale_columns<T>,
};

}  // namespace

constinit const WeightKernels<float> weight_f32 = kernels<float>;
constinit const WeightKernels<double> weight_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
