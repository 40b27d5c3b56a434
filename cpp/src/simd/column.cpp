// Sums over the columns of a matrix, and batch normalisation's transforms of them.
#include "simd/math.hpp"
#include "simd/sum.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// `vectors` whole vectors of neighbouring columns.
template <class T, int vectors>
struct WholeColumns {
  static constexpr int count = vectors;
  Index first;
  UNITGAIN_INLINE Vec<T> get(const T* row, int v) const { return load(row + first + v * lanes<T>); }
  UNITGAIN_INLINE void put(Vec<T> value, T* row, int v) const {
    store(value, row + first + v * lanes<T>);
  }
};

// The last columns, fewer than a vector.
template <class T>
struct LastColumns {
  static constexpr int count = 1;
  Index first;
  Index width;
  UNITGAIN_INLINE Vec<T> get(const T* row, int) const { return load_partial(row + first, width); }
  UNITGAIN_INLINE void put(Vec<T> value, T* row, int) const {
    store_partial(value, row + first, width);
  }
};

// Calls body(columns) for groups of columns, so that what belongs to a group stays in registers
// while the rows go by. A column's arithmetic is the same in each kind of group.
template <class T, class Body>
UNITGAIN_INLINE void for_each_group(Index cols, Body&& body) {
  constexpr int wide = 4;
  Index j = 0;
  for (; j + wide * lanes<T> <= cols; j += wide * lanes<T>) body(WholeColumns<T, wide>{j});
  for (; j + lanes<T> <= cols; j += lanes<T>) body(WholeColumns<T, 1>{j});
  if (j < cols) body(LastColumns<T>{j, cols - j});
}

// Adds `sums` terms per row and vector over all rows: add(i, v, partial) adds row i's terms for
// vector v to partial[0 ... sums).
template <class T, int vectors, int sums, class Add>
UNITGAIN_INLINE void sum_rows(Index rows, LongSum<T> (&totals)[vectors][sums], Add&& add) {
  for (Index first = 0; first < rows; first += run_length) {
    const Index last = first + run_length < rows ? first + run_length : rows;
    Vec<T> partial[vectors][sums];
    for (int v = 0; v < vectors; ++v) {
      for (int s = 0; s < sums; ++s) partial[v][s] = T{0};
    }
    for (Index i = first; i < last; ++i) {
      for (int v = 0; v < vectors; ++v) add(i, v, partial[v]);
    }
    for (int v = 0; v < vectors; ++v) {
      for (int s = 0; s < sums; ++s) totals[v][s].add(partial[v][s]);
    }
  }
}

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

// The variance is taken about a first approximation c of the mean, in a second pass: variance =
// mean of (x - c)^2 - (mean of (x - c))^2, where the subtracted square is as small as c is close.
// The first pass itself sums differences from the first row, so that a large common part of a
// column is not summed, and a constant column has no variance at all. Source: Chan, Golub and
// LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983.
template <class T>
void moments(const T* x, Index row_stride, Index rows, Index cols, T* mean, T* residual,
             T* variance) {
  const T count = static_cast<T>(rows);
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    Vec<T> center[vectors];
    for (int v = 0; v < vectors; ++v) center[v] = columns.get(x, v);
    LongSum<T> sums[vectors][1];
    sum_rows(rows, sums, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
      partial[0] += columns.get(x + i * row_stride, v) - center[v];
    });
    for (int v = 0; v < vectors; ++v) center[v] += sums[v][0].value() / count;

    LongSum<T> deviations[vectors][2];
    sum_rows(rows, deviations, [&](Index i, int v, Vec<T>* partial) __attribute__((always_inline)) {
      const Vec<T> deviation = columns.get(x + i * row_stride, v) - center[v];
      partial[0] += deviation;
      partial[1] = multiply_add<T>(deviation, deviation, partial[1]);
    });
    for (int v = 0; v < vectors; ++v) {
      const Vec<T> shift = deviations[v][0].value() / count;
      const Vec<T> rounded = center[v] + shift;
      columns.put(rounded, mean, v);
      columns.put((center[v] - rounded) + shift, residual, v);
      Vec<T> square = deviations[v][1].value() / count - shift * shift;
      stdx::where(square < T{0}, square) = T{0};
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
                             Index rows, Index cols, const T* mean, const T* inverse_deviation,
                             T* sum_upstream, T* sum_product) {
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
      columns.put(totals[v][0].value(), sum_upstream, v);
      columns.put(totals[v][1].value() * columns.get(inverse_deviation, v), sum_product, v);
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
                        const T* inverse_deviation, const T* factor, const T* mean_upstream,
                        const T* mean_product) {
  for_each_group<T>(cols, [&](auto columns) __attribute__((always_inline)) {
    constexpr int vectors = decltype(columns)::count;
    Vec<T> means[vectors], slopes[vectors], factors[vectors], offsets[vectors];
    for (int v = 0; v < vectors; ++v) {
      means[v] = columns.get(mean, v);
      slopes[v] = columns.get(inverse_deviation, v) * columns.get(mean_product, v);
      factors[v] = columns.get(factor, v);
      offsets[v] = columns.get(mean_upstream, v);
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
    &sum<T>,
    &moments<T>,
    &prepare_normalize<T>,
    &move_average<T>,
    &normalize<T>,
    &normalize_gradient_sums<T>,
    &prepare_normalize_gradient<T>,
    &normalize_gradient<T>,
};

}  // namespace

constinit const ColumnKernels<float> column_f32 = kernels<float>;
constinit const ColumnKernels<double> column_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
