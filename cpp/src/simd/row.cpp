// Layer normalisation: statistics and transforms of the rows of a matrix.
#include "simd/column_group.hpp"
#include "simd/kernels/normalization.hpp"
#include "simd/math.hpp"
#include "simd/sum.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// Sums over a row of what add(partial, load_at, counted) adds to partial[0 ... sums) for each
// vector; `counted` is 1 in the lanes that lie in the row and 0 beyond its end.
template <class T, int sums, class Add>
UNITGAIN_INLINE void sum_row(Index n, T (&results)[sums], Add&& add) {
  LongSum<T> totals[sums];
  Vec<T> partial[sums];
  for (int s = 0; s < sums; ++s) partial[s] = T{0};
  Index pending = 0, left = n;
  for_each_vector<T>(n, [&](auto load_at, auto) __attribute__((always_inline)) {
    const Vec<T> counted = left >= lanes<T>
                               ? Vec<T>(T{1})
                               : select<T>(lane_index<T>() < static_cast<T>(left), T{1}, T{0});
    add(partial, load_at, counted);
    left -= lanes<T>;
    if (++pending == run_length) {
      for (int s = 0; s < sums; ++s) {
        totals[s].add(partial[s]);
        partial[s] = T{0};
      }
      pending = 0;
    }
  });
  for (int s = 0; s < sums; ++s) {
    totals[s].add(partial[s]);
    results[s] = reduce(totals[s].value());
  }
}

template <class T>
void normalize(const T* x, T* y, Index rows, Index cols, const T* gamma, const T* beta, T epsilon,
               T* mean, T* residual, T* inverse_deviation) {
  const T count = static_cast<T>(cols);
  for (Index i = 0; i < rows; ++i, x += cols, y += cols) {
    // Differences from the first value, so that a constant row has no variance at all; then about
    // the mean that they give.
    const T first = x[0];
    T sum[1];
    sum_row<T>(cols, sum,
               [&](Vec<T>* partial, auto load_at, Vec<T> counted) __attribute__((always_inline)) {
                 partial[0] += (load_at(x) - first) * counted;
               });
    const T center = first + sum[0] / count;
    T sums[2];
    sum_row<T>(cols, sums,
               [&](Vec<T>* partial, auto load_at, Vec<T> counted) __attribute__((always_inline)) {
                 const Vec<T> deviation = (load_at(x) - center) * counted;
                 partial[0] += deviation;
                 partial[1] = multiply_add<T>(deviation, deviation, partial[1]);
               });
    const T shift = sums[0] / count;
    const T square = sums[1] / count - shift * shift;
    const T inverse =
        T{1} / static_cast<T>(__builtin_sqrt((square < T{0} ? T{0} : square) + epsilon));
    mean[i] = center;
    residual[i] = shift;
    inverse_deviation[i] = inverse;
    for_each_vector<T>(cols, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
      Vec<T> value = ((load_at(x) - center) - shift) * inverse;
      if (gamma != nullptr) value *= load_at(gamma);
      if (beta != nullptr) value += load_at(beta);
      store_at(value, y);
    });
  }
}

template <class T>
void gradient(const T* x, const T* upstream, T* result, Index rows, Index cols, const T* gamma,
              const T* mean, const T* residual, const T* inverse_deviation) {
  const T count = static_cast<T>(cols);
  for (Index i = 0; i < rows; ++i, x += cols, upstream += cols, result += cols) {
    const T center = mean[i], rest = residual[i], inverse = inverse_deviation[i];
    const auto normalized = [&](auto load_at) __attribute__((always_inline)) {
      return ((load_at(x) - center) - rest) * inverse;
    };
    const auto scaled = [&](auto load_at) __attribute__((always_inline)) {
      return gamma == nullptr ? load_at(upstream) : load_at(upstream) * load_at(gamma);
    };
    T sums[2];
    sum_row<T>(cols, sums,
               [&](Vec<T>* partial, auto load_at, Vec<T>) __attribute__((always_inline)) {
                 // Beyond the row's end the gradient is loaded as 0.
                 const Vec<T> g = scaled(load_at);
                 partial[0] += g;
                 partial[1] = multiply_add<T>(g, normalized(load_at), partial[1]);
               });
    const T mean_gradient = sums[0] / count, mean_product = sums[1] / count;
    for_each_vector<T>(cols, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
      const Vec<T> centered = scaled(load_at) - mean_gradient;
      store_at(inverse * multiply_add<T>(normalized(load_at), Vec<T>(-mean_product), centered),
               result);
    });
  }
}

template <class T>
void parameter_sums(const T* x, const T* upstream, Index rows, Index cols, const T* mean,
                    const T* residual, const T* inverse_deviation, T* sum_product,
                    T* sum_upstream) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    LongSum<T> totals[vectors][2];
    sum_rows(rows, totals, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
      const Vec<T> up = columns.get(upstream + i * cols, v);
      const Vec<T> deviation = (columns.get(x + i * cols, v) - mean[i]) - residual[i];
      partial[0] = multiply_add<T>(up, deviation * inverse_deviation[i], partial[0]);
      partial[1] += up;
    });
    for (int v = 0; v < vectors; ++v) {
      columns.put(totals[v][0].value(), sum_product, v);
      columns.put(totals[v][1].value(), sum_upstream, v);
    }
  });
}

template <class T>
constexpr RowKernels<T> kernels = {
    .normalize = normalize<T>,
    .gradient = gradient<T>,
    .parameter_sums = parameter_sums<T>,
};

}  // namespace

constinit const RowKernels<float> row_f32 = kernels<float>;
constinit const RowKernels<double> row_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
