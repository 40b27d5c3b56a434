// Losses: each is the value and the derivative for one output and its target. The loops over rows,
// the means and the gradients' scales are the same for all.
#include <type_traits>

#include "simd/cross_entropy.hpp"
#include "simd/kernels/loss.hpp"
#include "simd/softmax_math.hpp"
#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
struct Slope {
  Vec<T> value;
  Vec<T> derivative;
};

// A loss of single elements: made from the spec, called with outputs y and targets t. A row's loss
// is the mean over its outputs, or their sum.
template <class T>
struct Mean {
  static constexpr bool averaged = true;
  UNITGAIN_INLINE explicit Mean(const LossSpec&) {}
};

template <class T>
struct SquaredError : Mean<T> {
  using Mean<T>::Mean;
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> e = y - t;
    return {e * e, T{2} * e};
  }
};

// -1, 0 or 1; NaN stays.
template <class T>
UNITGAIN_INLINE Vec<T> sign_of(Vec<T> v) {
  return select<T>(v == T{0} || v != v, v, with_sign<T>(T{1}, v));
}

template <class T>
struct AbsoluteError : Mean<T> {
  using Mean<T>::Mean;
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> e = y - t;
    return {absolute<T>(e), sign_of<T>(e)};
  }
};

// e^2 / 2 up to |e| = delta, then delta (|e| - delta / 2).
// Source: Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35, 1964.
template <class T>
struct Huber : Mean<T> {
  T delta;
  UNITGAIN_INLINE explicit Huber(const LossSpec& spec)
      : Mean<T>(spec), delta(static_cast<T>(spec.delta)) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> e = y - t, magnitude = absolute<T>(e);
    const Mask<T> outside = magnitude > delta;
    return {select<T>(outside, delta * (magnitude - delta / 2), T{0.5} * e * e),
            select<T>(outside, with_sign<T>(delta, e), e)};
  }
};

// With m = exp(-|e|) - 1: cosh e - 1 = m^2 / (2 (1 + m)), which does not cancel near 0; further out
// log cosh e = |e| - log 2 + log1p(exp(-2 |e|)). tanh |e| = -m (2 + m) / (2 + m (2 + m)).
template <class T>
struct LogCosh : Mean<T> {
  using Mean<T>::Mean;
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    constexpr T log_2 = T(0.693147180559945309417);
    const Vec<T> e = y - t, magnitude = absolute<T>(e);
    const Vec<T> m = expm1_nonpositive<T>(-magnitude), power = T{1} + m;
    const Mask<T> near = magnitude < T{1};
    const Vec<T> argument = select<T>(near, m * m / (T{2} * power), power * power);
    const Vec<T> shift = select<T>(near, T{0}, magnitude - log_2);
    const Vec<T> product = m * (T{2} + m);
    return {shift + log1p_finite<T>(argument), with_sign<T>(-product / (T{2} + product), e)};
  }
};

template <class T>
struct Poisson : Mean<T> {
  using Mean<T>::Mean;
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> shifted = y + clip<T>;
    return {y - t * log_any<T>(shifted), T{1} - t / shifted};
  }
};

template <class T>
struct KLDivergence {
  static constexpr bool averaged = false;
  UNITGAIN_INLINE explicit KLDivergence(const LossSpec&) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Mask<T> clipped = y < clip<T> || y > T{1};
    const Vec<T> p = clipped_to_one(y), q = clipped_to_one(t);
    const Vec<T> ratio = q / p;
    return {q * select<T>(ratio == ratio, log_normal<T>(ratio), ratio),
            select<T>(clipped, T{0}, -q / p)};
  }
  UNITGAIN_INLINE static Vec<T> clipped_to_one(Vec<T> v) {
    where(v < clip<T>, v) = clip<T>;
    where(v > T{1}, v) = T{1};
    return v;
  }
};

template <class T>
struct Hinge : Mean<T> {
  using Mean<T>::Mean;
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> margin = T{1} - t * y;
    const Mask<T> beyond = margin <= T{0};
    return {select<T>(beyond, T{0}, margin), select<T>(beyond, T{0}, -t)};
  }
};

template <class T>
struct SquaredHinge : Mean<T> {
  using Mean<T>::Mean;
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    Vec<T> margin = T{1} - t * y;
    where(margin < T{0}, margin) = T{0};
    return {margin * margin, T{-2} * t * margin};
  }
};

// (1 - t) log(1 + exp y) + t log(1 + exp -y), in which the larger part is one of max(+-y, 0).
template <class T>
struct BinaryFromLogits : Mean<T> {
  Smoothing<T> smooth;
  UNITGAIN_INLINE explicit BinaryFromLogits(const LossSpec& spec)
      : Mean<T>(spec), smooth(spec, 2) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    t = smooth(t);
    const Vec<T> magnitude = absolute<T>(y), e = exp_nonpositive<T>(-magnitude);
    const Mask<T> positive = y > T{0};
    const Vec<T> against = select<T>(positive, T{1} - t, t), with = T{1} - against;
    // The probability of the side that the logit is on is 1 / (1 + e), of the other e / (1 + e).
    // The weight's product is left out where it is 0, so that an infinite logit may be right.
    const Vec<T> share = T{1} / (T{1} + e);
    const Vec<T> slope = (against - with * e) * share;
    return {select<T>(against == T{0}, T{0}, against * magnitude) + log1p_finite<T>(e),
            select<T>(positive, slope, -slope)};
  }
};

template <class T>
struct BinaryFromProbabilities : Mean<T> {
  Smoothing<T> smooth;
  UNITGAIN_INLINE explicit BinaryFromProbabilities(const LossSpec& spec)
      : Mean<T>(spec), smooth(spec, 2) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    t = smooth(t);
    const Mask<T> clipped = y < clip<T> || y > high_clip<T>;
    Vec<T> p = y;
    where(y < clip<T>, p) = clip<T>;
    where(y > high_clip<T>, p) = high_clip<T>;
    const Vec<T> value = -(t * log_normal<T>(p) + (T{1} - t) * log1p_finite<T>(-p));
    return {select<T>(p == p, value, p), select<T>(clipped, T{0}, (p - t) / (p * (T{1} - p)))};
  }
};

// m^gamma with its derivative, for m in [0, 1].
template <class T>
struct Power {
  T gamma;
  int whole;  // gamma, if it is a small whole number: its powers are products; else -1
  UNITGAIN_INLINE explicit Power(const LossSpec& spec)
      : gamma(static_cast<T>(spec.gamma)),
        whole(spec.gamma <= 8 && spec.gamma == static_cast<int>(spec.gamma)
                  ? static_cast<int>(spec.gamma)
                  : -1) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> m) const {
    if (whole == 0) return {T{1}, T{0}};
    if (whole > 0) {
      Vec<T> below = T{1};
      for (int i = 1; i < whole; ++i) below = below * m;
      return {below * m, gamma * below};
    }
    const Vec<T> value = exp_nonpositive<T>(gamma * log_any<T>(m));
    return {value, gamma * value / select<T>(m == T{0}, T{1}, m)};
  }
};

// The cross-entropy times m^gamma, where m is the probability that the target's side is not given.
// Source: Lin et al., "Focal loss for dense object detection", ICCV 2017, section 3.
template <class T, bool from_logits>
struct BinaryFocal : Mean<T> {
  std::conditional_t<from_logits, BinaryFromLogits<T>, BinaryFromProbabilities<T>> entropy;
  Power<T> power;
  T weight_of_one, weight_of_zero;
  UNITGAIN_INLINE explicit BinaryFocal(const LossSpec& spec)
      : Mean<T>(spec),
        entropy(spec),
        power(spec),
        weight_of_one(spec.balances_classes ? static_cast<T>(spec.alpha) : T{1}),
        weight_of_zero(spec.balances_classes ? static_cast<T>(1 - spec.alpha) : T{1}) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Slope<T> own = entropy(y, t);
    t = entropy.smooth(t);
    Vec<T> p = y, rest = T{1} - y, slope = T{1};  // of the probability by y
    if constexpr (from_logits) {
      const Vec<T> e = exp_nonpositive<T>(-absolute<T>(y)), share = T{1} / (T{1} + e);
      const Mask<T> positive = y > T{0};
      p = select<T>(positive, share, e * share);
      rest = select<T>(positive, e * share, share);
      slope = p * rest;
    }
    Vec<T> missing = t * rest + (T{1} - t) * p;
    where(missing < T{0}, missing) = T{0};
    const Slope<T> factor = power(missing);
    const Vec<T> weight = t * weight_of_one + (T{1} - t) * weight_of_zero;
    return {weight * factor.value * own.value,
            weight * (factor.derivative * slope * (T{1} - T{2} * t) * own.value +
                      factor.value * own.derivative)};
  }
};

// The pinball loss: an error above counts 1 - q, one below q. The derivative at 0 is 0.
// Source: Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978.
template <class T>
struct Quantile : Mean<T> {
  T above, below;
  UNITGAIN_INLINE explicit Quantile(const LossSpec& spec)
      : Mean<T>(spec),
        above(static_cast<T>(1 - spec.quantile)),
        below(static_cast<T>(spec.quantile)) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> e = y - t;
    const Vec<T> slope = select<T>(e > T{0}, above, select<T>(e < T{0}, -below, e));
    return {select<T>(e == T{0}, T{0}, slope * e), slope};
  }
};

template <class T>
struct BinaryMatch : Mean<T> {
  T threshold;
  UNITGAIN_INLINE explicit BinaryMatch(const LossSpec& spec)
      : Mean<T>(spec), threshold(static_cast<T>(spec.delta)) {}
  UNITGAIN_INLINE Slope<T> operator()(Vec<T> y, Vec<T> t) const {
    const Vec<T> side = select<T>(y > threshold, T{1}, T{0});
    return {select<T>(side == t, T{1}, T{0}), T{0}};
  }
};

// Rows of many columns, one by one.
template <class T, class Loss>
UNITGAIN_INLINE void wide_rows(const Loss& loss, const LossRows<T>& rows, T share, double factor) {
  const Index n = rows.cols;
  for (Index i = 0; i < rows.rows; ++i) {
    const T* target = rows.targets + i * n;
    T* gradient = rows.gradient == nullptr ? nullptr : rows.gradient + i * n;
    const T scale = scale_of(rows, i) * share;
    RunningSum<T> sum;
    for_each_filled<T>(rows.outputs + i * n, n, T{0},
                       [&](Vec<T> y, Index j) __attribute__((always_inline)) {
                         Slope<T> slope = loss(y, load_at<T>(target, j, n));
                         if (gradient != nullptr)
                           store_at<T>(slope.derivative * scale, gradient, j, n);
                         if (n - j < lanes<T>) [[unlikely]] {
                           where(lane_index<T>() >= static_cast<T>(n - j), slope.value) = T{0};
                         }
                         sum.add(slope.value);
                       });
    rows.row_losses[i] = static_cast<double>(sum.value()) * factor;
  }
}

// losses[i] = factor times the sum of row i of n values. Of one, two and four the compiler makes
// shuffles.
template <class T>
[[gnu::noinline]] void sum_rows(const T* values, Index count, Index n, double factor,
                                double* losses) {
  const auto sum = [&](auto known) __attribute__((always_inline)) {
    const Index cols = known > 0 ? known : n;
    for (Index i = 0; i < count; ++i) {
      double total = 0;
      for (Index j = 0; j < cols; ++j) total += static_cast<double>(values[i * cols + j]);
      losses[i] = total * factor;
    }
  };
  switch (n) {
    case 1:
      return sum(std::integral_constant<Index, 1>());
    case 2:
      return sum(std::integral_constant<Index, 2>());
    case 4:
      return sum(std::integral_constant<Index, 4>());
    default:
      return sum(std::integral_constant<Index, 0>());
  }
}

// Rows of few columns, many at a time: their elements are one array, whose values are summed row by
// row afterwards.
inline constexpr Index narrow_elements = 512;

template <class T, class Loss>
UNITGAIN_INLINE void narrow_rows(const Loss& loss, const LossRows<T>& rows, T share,
                                 double factor) {
  const Index n = rows.cols, most = narrow_elements / n;
  alignas(Vec<T>) T value[narrow_elements];
  for (Index first = 0; first < rows.rows; first += most) {
    const Index count = rows.rows - first < most ? rows.rows - first : most;
    const T* output = rows.outputs + first * n;
    const T* target = rows.targets + first * n;
    T* gradient = rows.gradient == nullptr ? nullptr : rows.gradient + first * n;
    const T scale = rows.scale * share;
    for_each_vector<T>(count * n,
                       [&](auto load_from, auto store_to) __attribute__((always_inline)) {
                         const Slope<T> slope = loss(load_from(output), load_from(target));
                         if (gradient != nullptr) store_to(slope.derivative * scale, gradient);
                         store_to(slope.value, static_cast<T*>(value));
                       });
    sum_rows(value, count, n, factor, rows.row_losses + first);
    if (gradient == nullptr || rows.row_scales == nullptr) continue;
    for (Index i = 0; i < count; ++i) {
      for (Index j = 0; j < n; ++j) gradient[i * n + j] *= rows.row_scales[first + i];
    }
  }
}

template <class T, class Loss>
void element_loss(const LossSpec& spec, const LossRows<T>& rows) {
  const Loss loss(spec);
  const double factor = Loss::averaged ? 1.0 / static_cast<double>(rows.cols) : 1.0;
  const T share = Loss::averaged ? T{1} / static_cast<T>(rows.cols) : T{1};
  if (rows.cols <= 2 * lanes<T>) {
    if (rows.cols > 0) narrow_rows<T>(loss, rows, share, factor);
  } else {
    wide_rows<T>(loss, rows, share, factor);
  }
}

template <class T>
void binary_crossentropy(const LossSpec& spec, const LossRows<T>& rows) {
  spec.from_logits ? element_loss<T, BinaryFromLogits<T>>(spec, rows)
                   : element_loss<T, BinaryFromProbabilities<T>>(spec, rows);
}

template <class T>
void binary_focal_crossentropy(const LossSpec& spec, const LossRows<T>& rows) {
  spec.from_logits ? element_loss<T, BinaryFocal<T, true>>(spec, rows)
                   : element_loss<T, BinaryFocal<T, false>>(spec, rows);
}

// A row's factors to length 1, of which the first keeps squares from overflowing: rows shorter than
// `clip` are divided by that, as in Keras.
template <class T>
struct Unit {
  T first, second;
  bool clipped;
  UNITGAIN_INLINE Unit(const T* row, Index n) {
    Vec<T> peak = T{0};
    for_each_filled<T>(row, n, T{0}, [&](Vec<T> v, Index) __attribute__((always_inline)) {
      peak = larger<T>(absolute<T>(v), peak);
    });
    const T largest = hmax(peak);
    first = largest > T{1} ? T{1} / largest : T{1};
    RunningSum<T> squares;
    for_each_filled<T>(row, n, T{0}, [&](Vec<T> v, Index) __attribute__((always_inline)) {
      squares.add((v * first) * (v * first));
    });
    const T length = static_cast<T>(__builtin_sqrt(squares.value()));
    clipped = length < clip<T>;
    second = T{1} / (clipped ? clip<T> : length);
  }
  UNITGAIN_INLINE Vec<T> operator()(Vec<T> v) const { return v * first * second; }
};

// Minus the cosine of the angle between outputs and targets.
template <class T>
void cosine_similarity(const LossSpec&, const LossRows<T>& rows) {
  const Index n = rows.cols;
  for (Index i = 0; i < rows.rows; ++i) {
    const T* y = rows.outputs + i * n;
    const T* t = rows.targets + i * n;
    const Unit<T> of_y(y, n), of_t(t, n);
    RunningSum<T> sum;
    for_each_filled<T>(y, n, T{0}, [&](Vec<T> v, Index j) __attribute__((always_inline)) {
      sum.add(of_y(v) * of_t(load_at(t, j, n)));
    });
    const T cosine = sum.value();
    rows.row_losses[i] = -static_cast<double>(cosine);
    if (rows.gradient == nullptr) continue;
    const T scale = scale_of(rows, i) * of_y.first * of_y.second;
    const T along = of_y.clipped ? T{0} : cosine;
    T* gradient = rows.gradient + i * n;
    for (Index j = 0; j < n; j += lanes<T>) {
      const Vec<T> direction = of_t(load_at(t, j, n)), unit = of_y(load_at(y, j, n));
      store_at<T>(scale * (along * unit - direction), gradient, j, n);
    }
  }
}

// The outputs' first half is means, the second half variances v or their logarithms:
// (log v + (mean - t)^2 / v) / 2, v being at least epsilon. The derivative where v is raised to
// epsilon is that at epsilon, as in PyTorch, so that training can leave that region.
// Source: Nix and Weigend, "Estimating the mean and variance of the target probability
// distribution", ICNN 1994.
template <class T>
struct GaussianNll {
  T epsilon, log_epsilon, constant;
  bool log_variance;
  UNITGAIN_INLINE explicit GaussianNll(const LossSpec& spec)
      : epsilon(static_cast<T>(spec.eps)),
        log_epsilon(log_any<T>(Vec<T>(epsilon))[0]),
        constant(spec.full ? T(0.918938533204672741780) : T{0}),
        log_variance(spec.log_variance) {}

  struct Slopes {
    Vec<T> value, mean, spread;
  };
  UNITGAIN_INLINE Slopes operator()(Vec<T> mean, Vec<T> spread, Vec<T> t) const {
    const Vec<T> e = mean - t;
    if (log_variance) {
      where(spread < log_epsilon, spread) = log_epsilon;
      const Vec<T> inverse = inverse_exp(spread), square = e * e * inverse;
      return {T{0.5} * (spread + square) + constant, e * inverse, T{0.5} * (T{1} - square)};
    }
    where(spread < epsilon, spread) = epsilon;
    const Vec<T> inverse = T{1} / spread, square = e * e * inverse;
    return {T{0.5} * (log_any<T>(spread) + square) + constant, e * inverse,
            T{0.5} * inverse * (T{1} - square)};
  }
  // exp(-v); v is at least log epsilon.
  UNITGAIN_INLINE static Vec<T> inverse_exp(Vec<T> v) {
    const Vec<T> e = exp_nonpositive<T>(-absolute<T>(v));
    return select<T>(v < T{0}, T{1} / e, e);
  }
};

template <class T>
void gaussian_nll(const LossSpec& spec, const LossRows<T>& rows) {
  const GaussianNll<T> loss(spec);
  const Index n = rows.cols / 2;
  for (Index i = 0; i < rows.rows; ++i) {
    const T* mean = rows.outputs + i * 2 * n;
    const T* spread = mean + n;
    const T* target = rows.targets + i * n;
    T* gradient = rows.gradient == nullptr ? nullptr : rows.gradient + i * 2 * n;
    const T scale = scale_of(rows, i) / static_cast<T>(n);
    RunningSum<T> sum;
    for (Index j = 0; j < n; j += lanes<T>) {
      auto slopes =
          loss(load_at<T>(mean, j, n), load_at<T>(spread, j, n), load_at<T>(target, j, n));
      where(lane_index<T>() >= static_cast<T>(n - j), slopes.value) = T{0};
      sum.add(slopes.value);
      if (gradient == nullptr) continue;
      store_at<T>(scale * slopes.mean, gradient, j, n);
      store_at<T>(scale * slopes.spread, gradient + n, j, n);
    }
    rows.row_losses[i] = static_cast<double>(sum.value()) / static_cast<double>(n);
  }
}

// max(0, 1 + max_j (1 - t_j) y_j - sum_j t_j y_j), the derivative at the first of equal maxima.
template <class T>
void categorical_hinge(const LossSpec&, const LossRows<T>& rows) {
  const Index n = rows.cols;
  for (Index i = 0; i < rows.rows; ++i) {
    const T* y = rows.outputs + i * n;
    const T* t = rows.targets + i * n;
    RunningSum<T> positive;
    Vec<T> best = -Format<T>::infinity, place = T{0};
    for (Index j = 0; j < n; j += lanes<T>) {
      const Vec<T> v = load_at<T>(y, j, n), target = load_at<T>(t, j, n);
      positive.add(v * target);
      const Vec<T> other = (T{1} - target) * v;
      const Mask<T> within = lane_index<T>() < static_cast<T>(n - j);
      const Mask<T> better = within && (other > best);
      where(better, best) = other;
      where(better, place) = lane_index<T>() + static_cast<T>(j);
    }
    // Lanes hold the first of their own maxima: the least index among the best lanes is the first.
    const T negative = hmax(best);
    const T first = hmin(select<T>(best == negative, place, Format<T>::infinity));
    const T margin = T{1} + negative - positive.value();
    rows.row_losses[i] = static_cast<double>(margin < T{0} ? T{0} : margin);
    if (rows.gradient == nullptr) continue;
    const T scale = margin <= T{0} ? T{0} : scale_of(rows, i);
    T* gradient = rows.gradient + i * n;
    for (Index j = 0; j < n; j += lanes<T>) {
      const Vec<T> target = load_at<T>(t, j, n);
      const Mask<T> top = lane_index<T>() + static_cast<T>(j) == first;
      store_at<T>(scale * (select<T>(top, T{1} - target, T{0}) - target), gradient, j, n);
    }
  }
}

#define UNITGAIN_MEMBER(kind, ...) LossKernel<T> kind;
template <class T>
struct Rows {
  UNITGAIN_LOSSES(UNITGAIN_MEMBER)
};
#undef UNITGAIN_MEMBER

template <class T>
constexpr Rows<T> rows = {
    .sparse_categorical_crossentropy = sparse_categorical_crossentropy<T>,
    .categorical_crossentropy = categorical_crossentropy<T>,
    .binary_crossentropy = binary_crossentropy<T>,
    .mean_squared_error = element_loss<T, SquaredError<T>>,
    .mean_absolute_error = element_loss<T, AbsoluteError<T>>,
    .huber = element_loss<T, Huber<T>>,
    .log_cosh = element_loss<T, LogCosh<T>>,
    .gaussian_nll = gaussian_nll<T>,
    .poisson = element_loss<T, Poisson<T>>,
    .kl_divergence = element_loss<T, KLDivergence<T>>,
    .hinge = element_loss<T, Hinge<T>>,
    .squared_hinge = element_loss<T, SquaredHinge<T>>,
    .categorical_hinge = categorical_hinge<T>,
    .quantile = element_loss<T, Quantile<T>>,
    .binary_focal_crossentropy = binary_focal_crossentropy<T>,
    .cosine_similarity = cosine_similarity<T>,
};

#define UNITGAIN_KERNEL(kind, ...) rows<T>.kind,
template <class T>
constexpr LossKernels<T> kernels = {
    .row = {UNITGAIN_LOSSES(UNITGAIN_KERNEL)},
    .binary_accuracy = element_loss<T, BinaryMatch<T>>,
};
#undef UNITGAIN_KERNEL

}  // namespace

constinit const LossKernels<float> loss_f32 = kernels<float>;
constinit const LossKernels<double> loss_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
