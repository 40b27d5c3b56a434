// Level-1 linear algebra: what Householder QR, one-sided Jacobi and layers of several inputs are
// made of.
#include "simd/kernels/vector.hpp"
#include "simd/math.hpp"
#include "simd/sum.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// Partial sums of a reduction: enough that a vector's multiply-adds (4 cycles of latency, 2 a
// cycle) do not wait for each other while both operands stream from the cache.
constexpr int partial_sums = 4;

template <int value>
struct Constant {
  static constexpr int index = value;
};

// As for_each_vector, but four vectors at a time: the body's first argument names which of four
// independent partial sums is this vector's.
template <class T, class Body>
UNITGAIN_INLINE void for_each_vector_of_four(Index n, Body&& body) {
  constexpr Index block = partial_sums * lanes<T>;
  Index i = 0;
  for (; i + block <= n; i += block) {
    const auto visit = [&](auto part) __attribute__((always_inline)) {
      const Index at = i + part.index * lanes<T>;
      body(
          part, [at](const T* p) __attribute__((always_inline)) { return load(p + at); },
          [at](Vec<T> v, T* p) __attribute__((always_inline)) { store(v, p + at); });
    };
    visit(Constant<0>());
    visit(Constant<1>());
    visit(Constant<2>());
    visit(Constant<3>());
  }
  for_each_vector<T>(n - i, [&](auto load_rest, auto store_rest) __attribute__((always_inline)) {
    body(
        Constant<0>(), [&](const T* p) __attribute__((always_inline)) { return load_rest(p + i); },
        [&](Vec<T> v, T* p) __attribute__((always_inline)) { store_rest(v, p + i); });
  });
}

template <class T>
UNITGAIN_INLINE T sum_of(const Vec<T>* parts) {
  return reduce((parts[0] + parts[1]) + (parts[2] + parts[3]));
}

template <class T>
T dot(const T* x, const T* y, Index n) {
  Vec<T> parts[partial_sums] = {0, 0, 0, 0};
  for_each_vector_of_four<T>(n, [&](auto part, auto get, auto) __attribute__((always_inline)) {
    parts[part.index] = multiply_add<T>(get(x), get(y), parts[part.index]);
  });
  return sum_of<T>(parts);
}

template <class T>
void dot4(const T* const* x, const T* y, Index n, T* dots) {
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  Vec<T> sums[4] = {0, 0, 0, 0};
  for_each_vector<T>(n, [&](auto get, auto) __attribute__((always_inline)) {
    const Vec<T> v = get(y);
    sums[0] = multiply_add<T>(get(x0), v, sums[0]);
    sums[1] = multiply_add<T>(get(x1), v, sums[1]);
    sums[2] = multiply_add<T>(get(x2), v, sums[2]);
    sums[3] = multiply_add<T>(get(x3), v, sums[3]);
  });
  for (int i = 0; i < 4; ++i) dots[i] = reduce(sums[i]);
}

template <class T>
T max_abs(const T* x, Index n) {
  Vec<T> largest = 0, poison = 0;
  for_each_vector<T>(n, [&](auto get, auto) __attribute__((always_inline)) {
    const Vec<T> v = get(x);
    largest = max(largest, abs(v));
    poison += v - v;  // 0 for a finite value, NaN for any other
  });
  return hmax(largest) + reduce(poison);
}

template <class T>
void axpy(T alpha, const T* x, T* y, Index n) {
  const Vec<T> factor = alpha;
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    put(multiply_add<T>(factor, get(x), get(y)), y);
  });
}

template <class T>
T axpy_squares(T alpha, const T* x, T* y, Index n) {
  const Vec<T> factor = alpha;
  Vec<T> parts[partial_sums] = {0, 0, 0, 0};
  for_each_vector_of_four<T>(n, [&](auto part, auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> v = multiply_add<T>(factor, get(x), get(y));
    put(v, y);
    parts[part.index] = multiply_add<T>(v, v, parts[part.index]);
  });
  return sum_of<T>(parts);
}

template <class T>
void axpy4(const T* alpha, const T* const* x, T* y, Index n) {
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  const Vec<T> a0 = alpha[0], a1 = alpha[1], a2 = alpha[2], a3 = alpha[3];
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> low = multiply_add<T>(a1, get(x1), multiply_add<T>(a0, get(x0), get(y)));
    put(multiply_add<T>(a3, get(x3), multiply_add<T>(a2, get(x2), low)), y);
  });
}

template <class T>
void scale(T alpha, T* x, Index n) {
  const Vec<T> factor = alpha;
  for_each_vector<T>(
      n, [&](auto get, auto put) __attribute__((always_inline)) { put(factor * get(x), x); });
}

template <class T>
void add(const T* x, const T* y, T* sum, Index n) {
  for_each_vector<T>(
      n, [&](auto get, auto put) __attribute__((always_inline)) { put(get(x) + get(y), sum); });
}

template <class T>
void multiply(const T* x, const T* y, T* product, Index n) {
  for_each_vector<T>(
      n, [&](auto get, auto put) __attribute__((always_inline)) { put(get(x) * get(y), product); });
}

template <class T>
void maximum(const T* x, const T* y, T* larger, Index n) {
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(x), v = get(y);
    put(select<T>(u > v || u != u, u, v), larger);
  });
}

template <class T>
void minimum(const T* x, const T* y, T* smaller, Index n) {
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(x), v = get(y);
    put(select<T>(u < v || u != u, u, v), smaller);
  });
}

template <class T>
void count_equal(const T* x, const T* y, T* counts, Index n) {
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(x);
    put(get(counts) + select<T>(u == get(y) || u != u, T{1}, T{0}), counts);
  });
}

template <class T>
void share_equal(const T* x, const T* y, const T* counts, const T* upstream, T* gradient, Index n) {
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(x);
    put(select<T>(u == get(y) || u != u, get(upstream) / get(counts), T{0}), gradient);
  });
}

template <class T>
void rotate(T* x, T* y, Index n, T c, T s) {
  const Vec<T> cosine = c, sine = s, minus_sine = -s;
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(x), v = get(y);
    put(multiply_add<T>(cosine, u, minus_sine * v), x);
    put(multiply_add<T>(sine, u, cosine * v), y);
  });
}

template <class T>
void rotate_squares(T* x, T* y, Index n, T c, T s, T* squares) {
  const Vec<T> cosine = c, sine = s, minus_sine = -s;
  Vec<T> x_parts[partial_sums] = {0, 0, 0, 0}, y_parts[partial_sums] = {0, 0, 0, 0};
  for_each_vector_of_four<T>(n, [&](auto part, auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(x), v = get(y);
    const Vec<T> first = multiply_add<T>(cosine, u, minus_sine * v);
    const Vec<T> second = multiply_add<T>(sine, u, cosine * v);
    put(first, x);
    put(second, y);
    x_parts[part.index] = multiply_add<T>(first, first, x_parts[part.index]);
    y_parts[part.index] = multiply_add<T>(second, second, y_parts[part.index]);
  });
  squares[0] = sum_of<T>(x_parts);
  squares[1] = sum_of<T>(y_parts);
}

// `count` columns, which share what is read of the vectors.
template <class T, int count>
UNITGAIN_INLINE void turn_some(T* a, Index stride, Index n, const T* const* x,
                               const T* const* weights, const T* y, T* dots) {
  const T *first = x[0], *second = x[1];
  Vec<T> low[count], high[count], sums[count];
  for (int j = 0; j < count; ++j) {
    low[j] = -weights[0][j];
    high[j] = -weights[1][j];
    sums[j] = 0;
  }
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> u = get(first), v = get(second), w = get(y);
    for (int j = 0; j < count; ++j) {
      T* const column = a + j * stride;
      const Vec<T> turned = multiply_add<T>(high[j], v, multiply_add<T>(low[j], u, get(column)));
      put(turned, column);
      sums[j] = multiply_add<T>(turned, w, sums[j]);
    }
  });
  for (int j = 0; j < count; ++j) dots[j] = reduce(sums[j]);
}

template <class T>
void turn_columns(T* a, Index stride, Index n, Index columns, const T* const* x,
                  const T* const* weights, const T* y, T* dots) {
  const auto from = [&](auto size, Index j) __attribute__((always_inline)) {
    const T* const rest[] = {weights[0] + j, weights[1] + j};
    turn_some<T, size.index>(a + j * stride, stride, n, x, rest, y, dots + j);
  };
  Index j = 0;
  for (; j + 4 <= columns; j += 4) from(Constant<4>(), j);
  for (; j < columns; ++j) from(Constant<1>(), j);
}

// `count` vectors of the sum at a time, which stay in registers while all columns pass by.
template <class T, int count>
UNITGAIN_INLINE void combine_some(const T* a, Index stride, Index columns, const T* weights,
                                  T* sum) {
  Vec<T> parts[count];
  for (int i = 0; i < count; ++i) parts[i] = 0;
  for (Index j = 0; j < columns; ++j) {
    const Vec<T> weight = weights[j];
    for (int i = 0; i < count; ++i) {
      parts[i] = multiply_add<T>(weight, load(a + j * stride + i * lanes<T>), parts[i]);
    }
  }
  for (int i = 0; i < count; ++i) store(parts[i], sum + i * lanes<T>);
}

template <class T>
void combine_columns(const T* a, Index stride, Index n, Index columns, const T* weights, T* sum) {
  constexpr Index width = partial_sums * lanes<T>;
  Index i = 0;
  for (; i + width <= n; i += width) {
    combine_some<T, partial_sums>(a + i, stride, columns, weights, sum + i);
  }
  for_each_vector<T>(n - i, [&](auto get, auto put) __attribute__((always_inline)) {
    Vec<T> part = 0;
    for (Index j = 0; j < columns; ++j) {
      part = multiply_add<T>(Vec<T>(weights[j]), get(a + j * stride + i), part);
    }
    put(part, sum + i);
  });
}

template <class T>
double sum_of_squares(const T* x, Index n, double scale) {
  // Plain loops over lanes, which become conversions of whole vectors.
  double sums[lanes<T>] = {};
  for_each_vector<T>(n, [&](auto load_at, auto) __attribute__((always_inline)) {
    alignas(Vec<T>) T lane[lanes<T>];
    store(load_at(x), lane);
    for (Index i = 0; i < lanes<T>; ++i) {
      const double value = static_cast<double>(lane[i]) * scale;
      sums[i] += value * value;
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

template <class T>
constexpr VectorKernels<T> kernels = {
    .dot = dot<T>,
    .dot4 = dot4<T>,
    .max_abs = max_abs<T>,
    .sum_of_squares = sum_of_squares<T>,
    .axpy = axpy<T>,
    .axpy_squares = axpy_squares<T>,
    .axpy4 = axpy4<T>,
    .scale = scale<T>,
    .add = add<T>,
    .multiply = multiply<T>,
    .maximum = maximum<T>,
    .minimum = minimum<T>,
    .count_equal = count_equal<T>,
    .share_equal = share_equal<T>,
    .rotate = rotate<T>,
    .rotate_squares = rotate_squares<T>,
    .turn_columns = turn_columns<T>,
    .combine_columns = combine_columns<T>,
};

}  // namespace

double weighted_sum(const double* values, const double* weights, Index n) {
  LongSum<double> sum;
  for_each_vector<double>(n, [&](auto load_from, auto) __attribute__((always_inline)) {
    const Vec<double> value = load_from(values);
    sum.add(weights == nullptr ? value : value * load_from(weights));
  });
  double total = 0, lost = 0;
  for (Index i = 0; i < lanes<double>; ++i) {
    total += static_cast<double>(sum.high[static_cast<std::size_t>(i)]);
    lost += static_cast<double>(sum.low[static_cast<std::size_t>(i)]);
  }
  // The errors of an infinite sum are NaN.
  return total - total == 0 ? total + lost : total;
}

constinit const VectorKernels<float> vector_f32 = kernels<float>;
constinit const VectorKernels<double> vector_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
