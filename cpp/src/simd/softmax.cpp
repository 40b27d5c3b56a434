// Softmax and cross-entropy of contiguous rows.
#include "simd/math.hpp"
#include "simd/sum.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// Calls body(v, i) for the vectors of a row, the lanes beyond its end being `fill`.
template <class T, class Body>
UNITGAIN_INLINE void for_each_filled(const T* row, Index n, T fill, Body&& body) {
  Index i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) body(load(row + i), i);
  if (const Index rest = n - i; rest > 0) {
    Vec<T> v = load_partial(row + i, rest);
    stdx::where(lane_index<T>() >= static_cast<T>(rest), v) = fill;
    body(v, i);
  }
}

template <class T>
UNITGAIN_INLINE void store_at(Vec<T> v, T* row, Index i, Index n) {
  if (i + lanes<T> <= n) {
    store(v, row + i);
  } else {
    store_partial(v, row + i, n - i);
  }
}

struct Largest {
  bool has_nan;
  Index index;  // of the largest value, or of the first NaN
};

template <class T>
Index first_equal(const T* row, Index n, T value) {
  Index found = -1;
  Index i = 0;
  for (; found < 0 && i + lanes<T> <= n; i += lanes<T>) {
    const Mask<T> equal = load(row + i) == value;
    if (stdx::any_of(equal)) found = i + stdx::find_first_set(equal);
  }
  for (; found < 0 && i < n; ++i) {
    if (row[i] == value) found = i;
  }
  return found;
}

// The index numpy.argmax gives.
template <class T>
UNITGAIN_INLINE Largest largest(const T* row, Index n) {
  Vec<T> best = -Format<T>::infinity;
  Mask<T> unordered(false);
  for_each_filled<T>(row, n, -Format<T>::infinity,
                     [&](Vec<T> v, Index) __attribute__((always_inline)) {
                       unordered = unordered || v != v;
                       stdx::where(v > best, best) = v;
                     });
  if (stdx::any_of(unordered)) {
    Index i = 0;
    while (row[i] == row[i]) ++i;
    return {true, i};
  }
  return {false, first_equal<T>(row, n, stdx::hmax(best))};
}

// Writes exp(x - shift) to e (unless null) and returns its sum, without element `skipped`. NaN if
// the shift is not finite.
template <class T>
UNITGAIN_INLINE T exponentials(const T* x, Index n, T shift, Index skipped, T* e) {
  LongSum<T> total;
  Vec<T> partial = 0;
  Index count = 0;
  for_each_filled<T>(
      x, n, -Format<T>::infinity, [&](Vec<T> v, Index i) __attribute__((always_inline)) {
        const Vec<T> value = exp_flushed<T>(v - shift);
        if (e != nullptr) store_at<T>(value, e, i, n);
        const Index skipped_lane = skipped - i;
        if (skipped_lane >= 0 && skipped_lane < lanes<T>) {
          partial += select<T>(lane_index<T>() == static_cast<T>(skipped_lane), T{0}, value);
        } else {
          partial += value;
        }
        if (++count % run_length == 0) {
          total.add(partial);
          partial = T{0};
        }
      });
  total.add(partial);
  return stdx::reduce(total.value()) + (shift - shift);
}

template <class T>
UNITGAIN_INLINE void scale_row(T* row, Index n, T factor) {
  for_each_vector<T>(n, [&](auto load_at, auto store_to) __attribute__((always_inline)) {
    store_to(load_at(row) * factor, row);
  });
}

template <class T>
UNITGAIN_INLINE void fill_row(T* row, Index n, T value) {
  for_each_vector<T>(
      n, [&](auto, auto store_to) __attribute__((always_inline)) { store_to(Vec<T>(value), row); });
}

template <class T>
void softmax(const T* x, T* y, Index rows, Index cols) {
  for (Index i = 0; i < rows && cols > 0; ++i, x += cols, y += cols) {
    const Largest top = largest<T>(x, cols);
    const T shift = x[top.index < 0 ? 0 : top.index];
    const T rest = exponentials<T>(x, cols, shift, top.index, y);
    scale_row<T>(y, cols, T{1} / (T{1} + rest));
  }
}

template <class T>
void softmax_gradient(const T* y, const T* upstream, T* gradient, Index rows, Index cols) {
  for (Index i = 0; i < rows; ++i, y += cols, upstream += cols, gradient += cols) {
    Vec<T> sum = 0;
    for_each_vector<T>(cols, [&](auto load_at, auto) __attribute__((always_inline)) {
      sum = multiply_add<T>(load_at(y), load_at(upstream), sum);
    });
    const T mean = stdx::reduce(sum);
    for_each_vector<T>(cols, [&](auto load_at, auto store_to) __attribute__((always_inline)) {
      store_to(load_at(y) * (load_at(upstream) - mean), gradient);
    });
  }
}

// What is left of a row's loss when its exponentials are summed: log1p(rest) + gap.
struct RowLoss {
  double rest;
  double gap;
};

template <class T>
UNITGAIN_INLINE RowLoss row_cross_entropy(const T* logits, Index n, Index label, T scale,
                                          T* gradient, std::int32_t* predicted) {
  const Largest top = largest<T>(logits, n);
  *predicted = static_cast<std::int32_t>(top.index);
  const T peak = logits[top.index];
  const T gap = peak - logits[label];
  // The largest logit's exponential is 1. Summing the others apart keeps a small loss, and the
  // gradient at its label, from vanishing in 1 + rest.
  const T rest = exponentials<T>(logits, n, peak, top.index, gradient);
  if (gradient != nullptr) {
    const T factor = scale / (T{1} + rest);
    scale_row<T>(gradient, n, factor);
    gradient[label] = label == top.index ? -rest * factor : gradient[label] - scale;
  }
  return {static_cast<double>(rest), static_cast<double>(gap)};
}

template <class T>
void sparse_cross_entropy(const T* logits, Index rows, Index cols, const std::int32_t* labels,
                          T scale, T* gradient, double* row_losses, std::int32_t* predicted) {
  constexpr Index chunk = 64;
  double rest[chunk], gap[chunk];
  for (Index first = 0; first < rows; first += chunk) {
    const Index count = rows - first < chunk ? rows - first : chunk;
    for (Index i = 0; i < count; ++i) {
      const Index row = first + i;
      const RowLoss loss = row_cross_entropy<T>(
          logits + row * cols, cols, labels[row], scale,
          gradient == nullptr ? nullptr : gradient + row * cols, predicted + row);
      rest[i] = loss.rest;
      gap[i] = loss.gap;
    }
    for_each_vector<double>(count, [&](auto load_at, auto store_to) __attribute__((always_inline)) {
      store_to(logarithm_plus_one(load_at(rest)) + load_at(gap), row_losses + first);
    });
  }
}

// Returns the label's clipped share of the row's sum.
template <class T>
UNITGAIN_INLINE T row_from_probabilities(const T* probabilities, Index n, Index label, T scale,
                                         T* gradient, std::int32_t* predicted) {
  const T low = static_cast<T>(1e-7), high = static_cast<T>(1 - 1e-7);
  *predicted = static_cast<std::int32_t>(largest<T>(probabilities, n).index);
  LongSum<T> total;
  for_each_vector<T>(n, [&](auto load_at, auto)
                            __attribute__((always_inline)) { total.add(load_at(probabilities)); });
  const T sum = stdx::reduce(total.value());
  const T own = probabilities[label];
  const T share = own / sum;
  if (gradient != nullptr) {
    const bool clipped = share < low || share > high;
    fill_row<T>(gradient, n, clipped ? T{0} : scale / sum);
    // d(-log(own / sum)) / d own = 1 / sum - 1 / own, in a form that does not cancel near share 1.
    if (!clipped) gradient[label] = -scale * ((sum - own) / sum) / own;
  }
  return share < low ? low : share > high ? high : share;
}

template <class T>
void sparse_cross_entropy_from_probabilities(const T* probabilities, Index rows, Index cols,
                                             const std::int32_t* labels, T scale, T* gradient,
                                             double* row_losses, std::int32_t* predicted) {
  for (Index i = 0; i < rows; ++i) {
    row_losses[i] = static_cast<double>(row_from_probabilities<T>(
        probabilities + i * cols, cols, labels[i], scale,
        gradient == nullptr ? nullptr : gradient + i * cols, predicted + i));
  }
  for_each_vector<double>(rows, [&](auto load_at, auto store_to) __attribute__((always_inline)) {
    const Vec<double> share = load_at(row_losses);
    store_to(select<double>(share == share, -logarithm(share), share), row_losses);
  });
}

template <class T>
constexpr SoftmaxKernels<T> kernels = {&softmax<T>, &softmax_gradient<T>, &sparse_cross_entropy<T>,
                                       &sparse_cross_entropy_from_probabilities<T>};

}  // namespace

constinit const SoftmaxKernels<float> softmax_f32 = kernels<float>;
constinit const SoftmaxKernels<double> softmax_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
