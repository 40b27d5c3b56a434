// Sums over the columns of a matrix, and batch normalisation's transforms of them.
#include "simd/column_group.hpp"
#include "simd/kernels/normalization.hpp"
#include "simd/math.hpp"
#include "simd/sum.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
void sum(const T* x, Index row_stride, Index rows, Index cols, T* sums) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    LongSum<T> totals[columns.count][1];
    sum_rows(rows, totals, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
      partial[0] += columns.get(x + i * row_stride, v);
    });
    for (int v = 0; v < columns.count; ++v) columns.put(totals[v][0].value(), sums, v);
  });
}

// Means and variances of some columns, `columns.count` vectors of them, about a center c: the mean
// is c
// + mean of (x - c), and the variance the mean of (x - c)^2 less the square of the mean of (x - c).
template <class T, int vectors>
struct Moments {
  Vec<T> shift[vectors];  // mean of (x - c)
  Vec<T> square[vectors];
};

template <class T, class Columns, int vectors = Columns::count>
UNITGAIN_INLINE Moments<T, vectors> moments_about(const T* x, Index row_stride, Index rows,
                                                  Columns columns, const Vec<T>* center) {
  const T count = static_cast<T>(rows);
  LongSum<T> sums[vectors][2];
  sum_rows(rows, sums, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
    const Vec<T> deviation = columns.get(x + i * row_stride, v) - center[v];
    partial[0] += deviation;
    partial[1] = multiply_add<T>(deviation, deviation, partial[1]);
  });
  Moments<T, vectors> result;
  for (int v = 0; v < vectors; ++v) {
    result.shift[v] = sums[v][0].value() / count;
    result.square[v] = sums[v][1].value() / count;
  }
  return result;
}

// One pass over the rows, about the mean c of the first few. The subtraction in the variance loses
// as many bits as the square of (mean - c) is larger than the variance, which is none for rows that
// are alike; a column whose first rows are unlike the others takes a second pass about its own
// mean. Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance: analysis
// and recommendations", The American Statistician 37, 1983.
template <class T>
void moments(const T* x, Index row_stride, Index rows, Index cols, T* mean, T* residual,
             T* variance) {
  const Index few = rows < run_length ? rows : run_length;
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    Vec<T> center[vectors];
    for (int v = 0; v < vectors; ++v) {
      // Differences from the first row, so that a constant column has no variance at all.
      const Vec<T> first = columns.get(x, v);
      Vec<T> sum = 0;
      for (Index i = 1; i < few; ++i) sum += columns.get(x + i * row_stride, v) - first;
      center[v] = first + sum / static_cast<T>(few);
    }
    Moments<T, vectors> found = moments_about<T>(x, row_stride, rows, columns, center);
    Mask<T> poor(false);
    Mask<T> unlike[vectors];
    for (int v = 0; v < vectors; ++v) {
      unlike[v] = T(0.75) * found.square[v] < found.shift[v] * found.shift[v];
      poor = poor || unlike[v];
    }
    if (any_of(poor)) {
      Vec<T> better[vectors];
      for (int v = 0; v < vectors; ++v) better[v] = center[v] + found.shift[v];
      const Moments<T, vectors> again = moments_about<T>(x, row_stride, rows, columns, better);
      for (int v = 0; v < vectors; ++v) {
        center[v] = select<T>(unlike[v], better[v], center[v]);
        found.shift[v] = select<T>(unlike[v], again.shift[v], found.shift[v]);
        found.square[v] = select<T>(unlike[v], again.square[v], found.square[v]);
      }
    }
    for (int v = 0; v < vectors; ++v) {
      const Vec<T> rounded = center[v] + found.shift[v];
      columns.put(rounded, mean, v);
      columns.put((center[v] - rounded) + found.shift[v], residual, v);
      Vec<T> square = found.square[v] - found.shift[v] * found.shift[v];
      where(square < T{0}, square) = T{0};
      columns.put(square, variance, v);
    }
  });
}

template <class T>
void prepare_normalize(Index cols, const T* residual, const T* variance, const T* gamma,
                       const T* beta, T epsilon, T* inverse_deviation, T* scale, T* shift) {
  for_each_vector<T>(cols, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> inverse = T{1} / square_root<T>(load_at(variance) + epsilon);
    const Vec<T> factor = gamma == nullptr ? inverse : load_at(gamma) * inverse;
    Vec<T> offset = beta == nullptr ? Vec<T>(T{0}) : load_at(beta);
    if (residual != nullptr) offset -= load_at(residual) * factor;
    store_at(inverse, inverse_deviation);
    store_at(factor, scale);
    store_at(offset, shift);
  });
}

template <class T>
void move_average(T* average, const T* value, Index cols, T momentum, T one_minus_momentum) {
  for_each_vector<T>(cols, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    store_at(multiply_add<T>(load_at(average), momentum, load_at(value) * one_minus_momentum),
             average);
  });
}

template <class T>
void normalize(const T* x, Index x_stride, T* y, Index y_stride, Index rows, Index cols,
               const T* mean, const T* scale, const T* shift) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    Vec<T> means[vectors], scales[vectors], shifts[vectors];
    for (int v = 0; v < vectors; ++v) {
      means[v] = columns.get(mean, v);
      scales[v] = columns.get(scale, v);
      shifts[v] = columns.get(shift, v);
    }
    for (Index i = 0; i < rows; ++i) {
      for (int v = 0; v < vectors; ++v) {
        const Vec<T> deviation = columns.get(x + i * x_stride, v) - means[v];
        columns.put(multiply_add<T>(deviation, scales[v], shifts[v]), y + i * y_stride, v);
      }
    }
  });
}

template <class T>
void normalize_gradient_sums(const T* x, Index x_stride, const T* upstream, Index upstream_stride,
                             Index rows, Index cols, const T* mean, const T* residual,
                             const T* inverse_deviation, T* sum_upstream, T* sum_product) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    Vec<T> means[vectors];
    for (int v = 0; v < vectors; ++v) means[v] = columns.get(mean, v);
    LongSum<T> totals[vectors][2];
    sum_rows(rows, totals, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
      const Vec<T> up = columns.get(upstream + i * upstream_stride, v);
      const Vec<T> deviation = columns.get(x + i * x_stride, v) - means[v];
      partial[0] += up;
      partial[1] = multiply_add<T>(up, deviation, partial[1]);
    });
    for (int v = 0; v < vectors; ++v) {
      const Vec<T> sum = totals[v][0].value();
      columns.put(sum, sum_upstream, v);
      const Vec<T> product = totals[v][1].value() - sum * columns.get(residual, v);
      columns.put(product * columns.get(inverse_deviation, v), sum_product, v);
    }
  });
}

template <class T>
void prepare_normalize_gradient(Index cols, Index rows, const T* gamma, const T* inverse_deviation,
                                const T* sum_upstream, const T* sum_product, T* factor,
                                T* mean_upstream, T* mean_product) {
  const T count = static_cast<T>(rows);
  for_each_vector<T>(cols, [&](auto load_at, auto store_at) __attribute__((always_inline)) {
    const Vec<T> inverse = load_at(inverse_deviation);
    store_at(gamma == nullptr ? inverse : load_at(gamma) * inverse, factor);
    store_at(load_at(sum_upstream) / count, mean_upstream);
    store_at(load_at(sum_product) / count, mean_product);
  });
}

template <class T>
void normalize_gradient(const T* x, Index x_stride, const T* upstream, Index upstream_stride,
                        T* gradient, Index gradient_stride, Index rows, Index cols, const T* mean,
                        const T* residual, const T* inverse_deviation, const T* factor,
                        const T* mean_upstream, const T* mean_product) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    Vec<T> means[vectors], slopes[vectors], factors[vectors], offsets[vectors];
    for (int v = 0; v < vectors; ++v) {
      means[v] = columns.get(mean, v);
      slopes[v] = columns.get(inverse_deviation, v) * columns.get(mean_product, v);
      factors[v] = columns.get(factor, v);
      // The rounding error of the mean shifts every row alike.
      offsets[v] = columns.get(mean_upstream, v) - columns.get(residual, v) * slopes[v];
    }
    for (Index i = 0; i < rows; ++i) {
      for (int v = 0; v < vectors; ++v) {
        const Vec<T> deviation = columns.get(x + i * x_stride, v) - means[v];
        const Vec<T> centered = columns.get(upstream + i * upstream_stride, v) - offsets[v];
        columns.put(factors[v] * (centered - deviation * slopes[v]), gradient + i * gradient_stride,
                    v);
      }
    }
  });
}

template <class T>
constexpr ColumnKernels<T> kernels = {
    .sum = sum<T>,
    .moments = moments<T>,
    .prepare_normalize = prepare_normalize<T>,
    .move_average = move_average<T>,
    .normalize = normalize<T>,
    .normalize_gradient_sums = normalize_gradient_sums<T>,
    .prepare_normalize_gradient = prepare_normalize_gradient<T>,
    .normalize_gradient = normalize_gradient<T>,
};

}  // namespace

constinit const ColumnKernels<float> column_f32 = kernels<float>;
constinit const ColumnKernels<double> column_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
