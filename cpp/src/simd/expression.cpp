// Expressions: each function is a formula for a vector, and the loops are the same for all.
#include "simd/kernels/expression.hpp"

#include "simd/softmax_math.hpp"
#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
UNITGAIN_INLINE Vec<T> truth(Mask<T> mask) {
  return select<T>(mask, T{1}, T{0});
}

// From 2^fraction_bits on every number is whole.
template <class T>
inline constexpr T all_whole =
    static_cast<T>(typename Format<T>::Bits{1} << Format<T>::fraction_bits);

// The nearest integer, the even one of two.
template <class T>
UNITGAIN_INLINE Vec<T> nearest(Vec<T> x) {
  const Vec<T> magnitude = absolute<T>(x);
  const Vec<T> whole = with_sign<T>((magnitude + all_whole<T>)-all_whole<T>, x);
  return select<T>(magnitude < all_whole<T>, whole, x);
}

struct Negative {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return -x;
  }
};
struct Abs {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return absolute<T>(x);
  }
};
struct Square {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return x * x;
  }
};
struct Sqrt {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return square_root<T>(x);
  }
};
struct Rsqrt {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return T{1} / square_root<T>(x);
  }
};
struct Reciprocal {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return T{1} / x;
  }
};
// Denormal numbers are scaled into the normal range.
struct Log {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    using Bits = typename Format<T>::Bits;
    constexpr T normal = std::bit_cast<T>(Bits{1} << Format<T>::fraction_bits);
    constexpr T log_2 = T(0.693147180559945309417);
    const Mask<T> tiny = x < normal;
    const Vec<T> scaled = select<T>(tiny, x * all_whole<T>, x);
    const Vec<T> shift = select<T>(tiny, T{Format<T>::fraction_bits} * log_2, T{0});
    return log_any<T>(scaled) - shift;
  }
};
// Near 0 by the series of 2 artanh s = log((1 + s) / (1 - s)) itself, with s = x / (2 + x): there
// the rounding of 1 + x would cost an ulp.
struct Log1p {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    const Vec<T> s = x / (T{2} + x), s2 = s * s;
    const Vec<T> near = T{2} * s + s * s2 * polynomial<T>(s2, LogFormat<T>::series);
    Vec<T> y = select<T>(absolute<T>(x) < T(0.25), near, log1p_finite<T>(x));
    where(x == T{0} || !(x < Format<T>::infinity), y) = x;
    where(x <= T{-1}, y) =
        select<T>(x == T{-1}, -Format<T>::infinity, Format<T>::infinity - Format<T>::infinity);
    return y;
  }
};
struct Sign {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return select<T>(x == T{0} || x != x, x, with_sign<T>(T{1}, x));
  }
};
struct Round {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return nearest<T>(x);
  }
};
struct Floor {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    const Vec<T> near = nearest<T>(x);
    return select<T>(near > x, near - T{1}, near);
  }
};
struct Ceil {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return -Floor::of<T>(-x);
  }
};
struct Trunc {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return with_sign<T>(Floor::of<T>(absolute<T>(x)), x);
  }
};
struct LogicalNot {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return truth<T>(x == T{0});
  }
};
struct IsNan {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return truth<T>(x != x);
  }
};
struct IsFinite {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return truth<T>(absolute<T>(x) < Format<T>::infinity);
  }
};
struct IsInf {
  template <class T>
  UNITGAIN_INLINE static Vec<T> of(Vec<T> x) {
    return truth<T>(absolute<T>(x) == Format<T>::infinity);
  }
};

#define UNITGAIN_BINARY(Name, expression)                  \
  struct Name {                                            \
    template <class T>                                     \
    UNITGAIN_INLINE static Vec<T> of(Vec<T> a, Vec<T> b) { \
      return expression;                                   \
    }                                                      \
  };
UNITGAIN_BINARY(Add, a + b)
UNITGAIN_BINARY(Subtract, a - b)
UNITGAIN_BINARY(Multiply, a* b)
UNITGAIN_BINARY(Divide, a / b)
UNITGAIN_BINARY(Maximum, select<T>(a > b || a != a, a, b))
UNITGAIN_BINARY(Minimum, select<T>(a < b || a != a, a, b))
UNITGAIN_BINARY(Equal, truth<T>(a == b))
UNITGAIN_BINARY(NotEqual, truth<T>(a != b))
UNITGAIN_BINARY(Less, truth<T>(a < b))
UNITGAIN_BINARY(LessEqual, truth<T>(a <= b))
UNITGAIN_BINARY(Greater, truth<T>(a > b))
UNITGAIN_BINARY(GreaterEqual, truth<T>(a >= b))
UNITGAIN_BINARY(LogicalAnd, truth<T>(a != T{0} && b != T{0}))
UNITGAIN_BINARY(LogicalOr, truth<T>(a != T{0} || b != T{0}))
#undef UNITGAIN_BINARY

template <class F, class T>
void unary(const T* x, T* y, Index n) {
  for_each_vector<T>(n, [&](auto get, auto put)
                            __attribute__((always_inline)) { put(F::template of<T>(get(x)), y); });
}

template <class F, class T>
void binary(Operand<T> a, Operand<T> b, T* y, Index n) {
  const T *x = a.data, *z = b.data;
  if (!a.single && !b.single) {
    for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
      put(F::template of<T>(get(x), get(z)), y);
    });
  } else if (a.single) {
    const Vec<T> first = *x, second = b.single ? *z : T{0};
    for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
      put(F::template of<T>(first, b.single ? second : get(z)), y);
    });
  } else {
    const Vec<T> second = *z;
    for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
      put(F::template of<T>(get(x), second), y);
    });
  }
}

template <class T>
void where_of(Operand<T> condition, Operand<T> a, Operand<T> b, T* y, Index n) {
  const Vec<T> c = *condition.data, first = *a.data, second = *b.data;
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> chosen = condition.single ? c : get(condition.data);
    put(select<T>(chosen != T{0}, a.single ? first : get(a.data), b.single ? second : get(b.data)),
        y);
  });
}

template <class T>
void sum(const T* x, T* y, Index rows, Index cols) {
  if (cols < lanes<T>) {
    for (Index i = 0; i < rows; ++i) {
      T total = x[i * cols];
      for (Index j = 1; j < cols; ++j) total += x[i * cols + j];
      y[i] = total;
    }
    return;
  }
  for (Index i = 0; i < rows; ++i) {
    RunningSum<T> total;
    for_each_vector<T>(
        cols, [&](auto get, auto) __attribute__((always_inline)) { total.add(get(x + i * cols)); });
    y[i] = total.value();
  }
}

// The largest or the smallest, as `better` says; NaN if there is one.
template <class T, class Better>
UNITGAIN_INLINE void extreme(const T* x, T* y, Index rows, Index cols, T worst, Better better) {
  for (Index i = 0; i < rows; ++i) {
    const T* row = x + i * cols;
    T best = row[0];
    Index j = 0;
    if (cols >= lanes<T>) {
      Vec<T> found = worst, poison = 0;
      for (; j + lanes<T> <= cols; j += lanes<T>) {
        const Vec<T> v = load(row + j);
        where(better(v, found), found) = v;
        where(v != v, poison) = v;
      }
      alignas(Vec<T>) T lane[lanes<T>];
      store(found, lane);
      best = reduce(poison);  // 0 or NaN
      if (best == best) {
        best = lane[0];
        for (Index k = 1; k < lanes<T>; ++k) {
          if (better(lane[k], best)) best = lane[k];
        }
      }
    }
    for (; j < cols; ++j) {
      if (better(row[j], best) || row[j] != row[j]) best = row[j];
    }
    y[i] = best;
  }
}

template <class T>
void max_of(const T* x, T* y, Index rows, Index cols) {
  extreme<T>(x, y, rows, cols, -Format<T>::infinity,
             [](const auto& v, const auto& best)
                 __attribute__((always_inline)) { return v > best; });
}

template <class T>
void min_of(const T* x, T* y, Index rows, Index cols) {
  extreme<T>(x, y, rows, cols, Format<T>::infinity,
             [](const auto& v, const auto& best)
                 __attribute__((always_inline)) { return v < best; });
}

template <class T>
void argmax(const T* x, T* y, Index rows, Index cols) {
  for (Index i = 0; i < rows; ++i) {
    const T* row = x + i * cols;
    Index best = 0;
    for (Index j = 1; j < cols && row[best] == row[best]; ++j) {
      if (row[j] > row[best] || row[j] != row[j]) best = j;
    }
    y[i] = static_cast<T>(best);
  }
}

template <class T>
void spread_rows(const T* x, T* y, Index rows, Index cols) {
  for (Index i = 0; i < rows; ++i) {
    if (cols < lanes<T>) {
      for (Index j = 0; j < cols; ++j) y[i * cols + j] = x[i];
    } else {
      fill_row<T>(y + i * cols, cols, x[i]);
    }
  }
}

template <class T>
void spread_columns(const T* x, T* y, Index rows, Index cols) {
  for (Index i = 0; i < rows; ++i) {
    for_each_vector<T>(cols, [&](auto get, auto put)
                                 __attribute__((always_inline)) { put(get(x), y + i * cols); });
  }
}

template <class T>
void add_columns(const T* x, T* sums, Index rows, Index cols) {
  if (cols == 1) {
    T total;
    sum(x, &total, 1, rows);
    *sums += total;
    return;
  }
  for (Index i = 0; i < rows; ++i) {
    for_each_vector<T>(cols, [&](auto get, auto put) __attribute__((always_inline)) {
      put(get(sums) + get(x + i * cols), sums);
    });
  }
}

template <class T>
constexpr ExpressionKernels<T> kernels = {
    .negative = unary<Negative, T>,
    .abs = unary<Abs, T>,
    .square = unary<Square, T>,
    .sqrt = unary<Sqrt, T>,
    .rsqrt = unary<Rsqrt, T>,
    .reciprocal = unary<Reciprocal, T>,
    .log = unary<Log, T>,
    .log1p = unary<Log1p, T>,
    .sign = unary<Sign, T>,
    .floor = unary<Floor, T>,
    .ceil = unary<Ceil, T>,
    .round = unary<Round, T>,
    .trunc = unary<Trunc, T>,
    .logical_not = unary<LogicalNot, T>,
    .isnan = unary<IsNan, T>,
    .isfinite = unary<IsFinite, T>,
    .isinf = unary<IsInf, T>,
    .add = binary<Add, T>,
    .subtract = binary<Subtract, T>,
    .multiply = binary<Multiply, T>,
    .divide = binary<Divide, T>,
    .maximum = binary<Maximum, T>,
    .minimum = binary<Minimum, T>,
    .equal = binary<Equal, T>,
    .not_equal = binary<NotEqual, T>,
    .less = binary<Less, T>,
    .less_equal = binary<LessEqual, T>,
    .greater = binary<Greater, T>,
    .greater_equal = binary<GreaterEqual, T>,
    .logical_and = binary<LogicalAnd, T>,
    .logical_or = binary<LogicalOr, T>,
    .where = where_of<T>,
    .sum = sum<T>,
    .max = max_of<T>,
    .min = min_of<T>,
    .argmax = argmax<T>,
    .spread_rows = spread_rows<T>,
    .spread_columns = spread_columns<T>,
    .add_columns = add_columns<T>,
};

}  // namespace

constinit const ExpressionKernels<float> expression_f32 = kernels<float>;
constinit const ExpressionKernels<double> expression_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
