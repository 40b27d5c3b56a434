// Softmax and log-softmax, along rows and along a strided axis.
#include "simd/kernels/softmax.hpp"
#include "simd/short_rows.hpp"
#include "simd/softmax_math.hpp"
#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
UNITGAIN_INLINE void softmax_row(const T* x, T* y, Index n) {
  const T peak = row_maximum<T>(x, n);
  RunningSum<T> sum;
  for_each_filled<T>(x, n, -Format<T>::infinity,
                     [&](Vec<T> v, Index i) __attribute__((always_inline)) {
                       const Vec<T> e = exp_nonpositive<T>(v - peak);
                       store_at<T>(e, y, i, n);
                       sum.add(e);
                     });
  scale_row<T>(y, n, T{1} / sum.value());
}

template <class T>
UNITGAIN_INLINE void log_softmax_row(const T* x, T* y, Index n) {
  const T peak = row_maximum<T>(x, n);
  const Vec<T> shift = log1p_finite<T>(row_exponentials<T>(x, n, peak, static_cast<T*>(nullptr)));
  for_each_vector<T>(n, [&](auto load_from, auto store_to) __attribute__((always_inline)) {
    store_to((load_from(x) - peak) - shift, y);
  });
}

// The terms that a gradient along the axis needs the sum of, and the gradient from that sum.
struct SoftmaxSlope {
  template <class T>
  UNITGAIN_INLINE static Vec<T> term(Vec<T> y, Vec<T> upstream) {
    return y * upstream;
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> gradient(Vec<T> y, Vec<T> upstream, Vec<T> sum) {
    return y * (upstream - sum);
  }
};
// A masked entry's log-probability is -inf whatever the others are: it takes no part.
struct LogSoftmaxSlope {
  template <class T>
  UNITGAIN_INLINE static Vec<T> term(Vec<T> y, Vec<T> upstream) {
    return select<T>(y == -Format<T>::infinity, T{0}, upstream);
  }
  template <class T>
  UNITGAIN_INLINE static Vec<T> gradient(Vec<T> y, Vec<T> upstream, Vec<T> sum) {
    const Vec<T> result = upstream - exp_nonpositive<T>(y) * sum;
    return select<T>(y == -Format<T>::infinity, T{0}, result);
  }
};

template <class T, class Slope>
UNITGAIN_INLINE void gradient_row(const T* y, const T* upstream, T* gradient, Index n) {
  RunningSum<T> sum;
  for_each_vector<T>(n, [&](auto load_from, auto) __attribute__((always_inline)) {
    sum.add(Slope::template term<T>(load_from(y), load_from(upstream)));
  });
  const Vec<T> total = sum.value();
  for_each_vector<T>(n, [&](auto load_from, auto store_to) __attribute__((always_inline)) {
    store_to(Slope::template gradient<T>(load_from(y), load_from(upstream), total), gradient);
  });
}

// `count` neighbouring vectors of an axis that runs at `stride`; with count 1, the last may be part
// of one.
template <class T, int count>
struct Slab {
  Index stride;
  Index rest;  // lanes in use, if not all

  UNITGAIN_INLINE Vec<T> at(const T* x, Index k, int u) const {
    const T* p = x + k * stride + u * lanes<T>;
    if constexpr (count == 1) {
      if (rest > 0) return load_partial(p, rest);
    }
    return load(p);
  }
  UNITGAIN_INLINE void put(Vec<T> v, T* y, Index k, int u) const {
    T* p = y + k * stride + u * lanes<T>;
    if constexpr (count == 1) {
      if (rest > 0) return store_partial(v, p, rest);
    }
    store(v, p);
  }
};

template <class T, int count>
UNITGAIN_INLINE void slab_maximum(const Slab<T, count>& slab, const T* x, Index length,
                                  Vec<T>* peak) {
  for (int u = 0; u < count; ++u) peak[u] = -Format<T>::infinity;
  for (Index k = 0; k < length; ++k) {
    for (int u = 0; u < count; ++u) peak[u] = larger<T>(slab.at(x, k, u), peak[u]);
  }
}

struct SoftmaxSlab {
  template <class T, int count>
  UNITGAIN_INLINE static void run(const Slab<T, count>& slab, const T* x, const T*, T* y,
                                  Index length) {
    Vec<T> peak[count];
    slab_maximum(slab, x, length, peak);
    RunningSum<T> sum[count];
    for (Index k = 0; k < length; ++k) {
      for (int u = 0; u < count; ++u) {
        const Vec<T> e = exp_nonpositive<T>(slab.at(x, k, u) - peak[u]);
        slab.put(e, y, k, u);
        sum[u].add(e);
      }
    }
    Vec<T> factor[count];
    for (int u = 0; u < count; ++u) factor[u] = T{1} / sum[u].lanes_value();
    for (Index k = 0; k < length; ++k) {
      for (int u = 0; u < count; ++u) slab.put(slab.at(y, k, u) * factor[u], y, k, u);
    }
  }
};

struct LogSoftmaxSlab {
  template <class T, int count>
  UNITGAIN_INLINE static void run(const Slab<T, count>& slab, const T* x, const T*, T* y,
                                  Index length) {
    Vec<T> peak[count];
    slab_maximum(slab, x, length, peak);
    Rest<T> rest[count];
    for (Index k = 0; k < length; ++k) {
      for (int u = 0; u < count; ++u) {
        const Vec<T> v = slab.at(x, k, u);
        rest[u].add(exp_nonpositive<T>(v - peak[u]));
      }
    }
    Vec<T> shift[count];
    for (int u = 0; u < count; ++u) shift[u] = log1p_finite<T>(rest[u].lanes_value());
    for (Index k = 0; k < length; ++k) {
      for (int u = 0; u < count; ++u) {
        slab.put((slab.at(x, k, u) - peak[u]) - shift[u], y, k, u);
      }
    }
  }
};

template <class Slope>
struct GradientSlab {
  template <class T, int count>
  UNITGAIN_INLINE static void run(const Slab<T, count>& slab, const T* y, const T* upstream,
                                  T* gradient, Index length) {
    RunningSum<T> sum[count];
    for (Index k = 0; k < length; ++k) {
      for (int u = 0; u < count; ++u) {
        sum[u].add(Slope::template term<T>(slab.at(y, k, u), slab.at(upstream, k, u)));
      }
    }
    Vec<T> total[count];
    for (int u = 0; u < count; ++u) total[u] = sum[u].lanes_value();
    for (Index k = 0; k < length; ++k) {
      for (int u = 0; u < count; ++u) {
        slab.put(Slope::template gradient<T>(slab.at(y, k, u), slab.at(upstream, k, u), total[u]),
                 gradient, k, u);
      }
    }
  }
};

// Four vectors at a time while there are as many: a cache line of each step along the axis is then
// read with its neighbours, which the hardware fetches anyway.
template <class T, class Operation>
UNITGAIN_INLINE void along_axis(const T* a, const T* b, T* out, Index length, Index stride,
                                Index width) {
  Index i = 0;
  for (; i + 4 * lanes<T> <= width; i += 4 * lanes<T>) {
    Operation::run(Slab<T, 4>{stride, 0}, a + i, b + i, out + i, length);
  }
  for (; i < width; i += lanes<T>) {
    const Index rest = width - i < lanes<T> ? width - i : 0;
    Operation::run(Slab<T, 1>{stride, rest}, a + i, b + i, out + i, length);
  }
}

// Rows of a few columns, a vector's number of rows at a time.
template <class T, class Operation>
UNITGAIN_INLINE void short_rows(const T* x, T* y, Index rows, Index cols) {
  for (Index i = 0; i < rows; i += lanes<T>) {
    const Index count = rows - i < lanes<T> ? rows - i : lanes<T>;
    ShortRows<T> block;
    block.load_from(x + i * cols, count, cols);
    auto* lane = reinterpret_cast<T*>(block.column);
    Operation::run(Slab<T, 1>{lanes<T>, 0}, lane, lane, lane, cols);
    block.store_to(y + i * cols, count, cols);
  }
}

template <class T>
void softmax(const T* x, T* y, Index rows, Index cols) {
  if (cols <= lanes<T>) return short_rows<T, SoftmaxSlab>(x, y, rows, cols);
  for (Index i = 0; i < rows; ++i) softmax_row<T>(x + i * cols, y + i * cols, cols);
}

template <class T>
void log_softmax(const T* x, T* y, Index rows, Index cols) {
  if (cols <= lanes<T>) return short_rows<T, LogSoftmaxSlab>(x, y, rows, cols);
  for (Index i = 0; i < rows; ++i) log_softmax_row<T>(x + i * cols, y + i * cols, cols);
}

template <class T, class Slope>
void gradient(const T* y, const T* upstream, T* gradient, Index rows, Index cols) {
  for (Index i = 0; i < rows; ++i, y += cols, upstream += cols, gradient += cols) {
    gradient_row<T, Slope>(y, upstream, gradient, cols);
  }
}

template <class T>
void softmax_axis(const T* x, T* y, Index length, Index stride, Index width) {
  along_axis<T, SoftmaxSlab>(x, x, y, length, stride, width);
}

template <class T>
void log_softmax_axis(const T* x, T* y, Index length, Index stride, Index width) {
  along_axis<T, LogSoftmaxSlab>(x, x, y, length, stride, width);
}

template <class T, class Slope>
void gradient_axis(const T* y, const T* upstream, T* gradient, Index length, Index stride,
                   Index width) {
  along_axis<T, GradientSlab<Slope>>(y, upstream, gradient, length, stride, width);
}

template <class T>
void argmax(const T* x, Index rows, Index cols, std::int32_t* indices) {
  for (Index i = 0; i < rows; ++i) {
    indices[i] = static_cast<std::int32_t>(largest<T>(x + i * cols, cols).index);
  }
}

template <class T>
constexpr SoftmaxKernels<T> kernels = {
    .softmax = softmax<T>,
    .log_softmax = log_softmax<T>,
    .gradient = gradient<T, SoftmaxSlope>,
    .log_gradient = gradient<T, LogSoftmaxSlope>,
    .softmax_axis = softmax_axis<T>,
    .log_softmax_axis = log_softmax_axis<T>,
    .gradient_axis = gradient_axis<T, SoftmaxSlope>,
    .log_gradient_axis = gradient_axis<T, LogSoftmaxSlope>,
    .argmax = argmax<T>,
};

}  // namespace

constinit const SoftmaxKernels<float> softmax_f32 = kernels<float>;
constinit const SoftmaxKernels<double> softmax_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
