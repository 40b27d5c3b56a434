// Cross-entropy of rows with their labels or target distributions. For simd/loss.cpp only.
#pragma once

#include "simd/kernels/loss.hpp"
#include "simd/short_rows.hpp"
#include "simd/softmax_math.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// Probabilities are clipped to [clip, 1 - clip], as Keras does.
template <class T>
inline constexpr T clip = static_cast<T>(1e-7);
template <class T>
inline constexpr T high_clip = static_cast<T>(1 - 1e-7);

// The rest of a row's loss when its exponentials are summed: total log1p(rest) + gap.
struct RowParts {
  double rest;
  double gap;
  double total;
};

// Logarithms are taken of many rows at once.
inline constexpr Index loss_chunk = 64;
struct ChunkParts {
  double rest[loss_chunk], gap[loss_chunk], total[loss_chunk];

  UNITGAIN_INLINE void set(Index i, const RowParts& parts) {
    rest[i] = parts.rest;
    gap[i] = parts.gap;
    total[i] = parts.total;
  }
  UNITGAIN_INLINE void finish(Index count, double* losses) const {
    for_each_vector<double>(count,
                            [&](auto load_from, auto store_to) __attribute__((always_inline)) {
                              const Vec<double> log_sum = logarithm_plus_one(load_from(rest));
                              // A row without weight has no loss, whatever its logits.
                              const Vec<double> own = load_from(total);
                              Vec<double> loss = own * log_sum + load_from(gap);
                              where(own == 0.0 && load_from(gap) == 0.0, loss) = 0.0;
                              store_to(loss, losses);
                            });
  }
};

template <class T>
UNITGAIN_INLINE T scale_of(const LossRows<T>& rows, Index i) {
  return rows.row_scales == nullptr ? rows.scale : rows.scale * rows.row_scales[i];
}

template <class T>
UNITGAIN_INLINE bool is_ignored(const LossSpec& spec, const LossRows<T>& rows, Index i) {
  return spec.ignores_class && rows.labels[i] == spec.ignore_class;
}

// Of the row's own largest logit, or the NaN among them.
template <class T>
UNITGAIN_INLINE T row_peak(const LossRows<T>& rows, Index i) {
  const T* row = rows.outputs + i * rows.cols;
  if (rows.predicted == nullptr) return row_maximum<T>(row, rows.cols);
  const Index index = largest<T>(row, rows.cols).index;
  rows.predicted[i] = static_cast<std::int32_t>(index);
  return row[index];
}

template <class T>
UNITGAIN_INLINE RowParts sparse_row(const LossSpec& spec, const LossRows<T>& rows, Index i) {
  const Index n = rows.cols;
  const T* row = rows.outputs + i * n;
  T* gradient = rows.gradient == nullptr ? nullptr : rows.gradient + i * n;
  const T peak = row_peak<T>(rows, i);
  if (is_ignored(spec, rows, i)) {
    if (gradient != nullptr) fill_row<T>(gradient, n, T{0});
    return {0.0, 0.0, 0.0};
  }
  const Index label = rows.labels[i];
  const T gap = peak - row[label];
  const T rest = row_exponentials<T>(row, n, peak, gradient);
  if (gradient != nullptr) {
    const T scale = scale_of(rows, i);
    const T factor = scale / (T{1} + rest);
    scale_row<T>(gradient, n, factor);
    // p - 1, in a form that does not cancel where the label's logit is the largest.
    gradient[label] = gap == T{0} ? -rest * factor : gradient[label] - scale;
  }
  return {static_cast<double>(rest), static_cast<double>(gap), 1.0};
}

// As sparse_row for a vector's number of short rows, which are its lanes.
template <class T>
struct ShortSparse {
  ShortRows<T> x;
  Vec<T> label, scale, rest, gap;

  UNITGAIN_INLINE void run(Index cols, bool with_gradient) {
    Vec<T> peak = x.column[0];
    for (Index k = 1; k < cols; ++k) peak = larger<T>(x.column[k], peak);
    Rest<T> others;
    Vec<T> own = T{0};
    for (Index k = 0; k < cols; ++k) {
      const Vec<T> v = x.column[k];
      own = select<T>(label == static_cast<T>(k), v, own);
      x.column[k] = exp_nonpositive<T>(v - peak);
      others.add(x.column[k]);
    }
    rest = others.lanes_value();
    gap = peak - own;
    if (!with_gradient) return;
    const Vec<T> factor = scale / (T{1} + rest);
    const Mask<T> top = gap == T{0};
    for (Index k = 0; k < cols; ++k) {
      const Vec<T> share = x.column[k] * factor;
      const Vec<T> at_label = select<T>(top, -rest * factor, share - scale);
      x.column[k] = select<T>(label == static_cast<T>(k), at_label, share);
    }
  }

  // numpy.argmax of each lane.
  UNITGAIN_INLINE Vec<T> predicted(Index cols) const {
    Vec<T> best = x.column[0], index = T{0};
    for (Index k = 1; k < cols; ++k) {
      const Vec<T> v = x.column[k];
      const Mask<T> better = v > best || (v != v && best == best);
      where(better, best) = v;
      where(better, index) = static_cast<T>(k);
    }
    return index;
  }
};

template <class T>
UNITGAIN_INLINE void short_sparse_rows(const LossSpec& spec, const LossRows<T>& rows, Index first,
                                       Index count, ChunkParts& parts, Index offset) {
  ShortSparse<T> block;
  block.x.load_from(rows.outputs + first * rows.cols, count, rows.cols);
  alignas(Vec<T>) T label[lanes<T>] = {}, scale[lanes<T>] = {};
  for (Index i = 0; i < count; ++i) {
    const bool ignored = is_ignored(spec, rows, first + i);
    label[i] = ignored ? T{-1} : static_cast<T>(rows.labels[first + i]);
    scale[i] = ignored ? T{0} : scale_of(rows, first + i);
  }
  block.label = load(label);
  block.scale = load(scale);
  if (rows.predicted != nullptr) {
    alignas(Vec<T>) T index[lanes<T>];
    store(block.predicted(rows.cols), index);
    for (Index i = 0; i < count; ++i) {
      rows.predicted[first + i] = static_cast<std::int32_t>(index[i]);
    }
  }
  block.run(rows.cols, rows.gradient != nullptr);
  alignas(Vec<T>) T rest[lanes<T>], gap[lanes<T>];
  store(block.rest, rest);
  store(block.gap, gap);
  if (rows.gradient != nullptr) {
    block.x.store_to(rows.gradient + first * rows.cols, count, rows.cols);
  }
  for (Index i = 0; i < count; ++i) {
    if (label[i] < T{0}) {
      parts.set(offset + i, {0.0, 0.0, 0.0});
      // Its scale of 0 leaves NaN where a logit is not finite.
      if (rows.gradient != nullptr) {
        fill_row<T>(rows.gradient + (first + i) * rows.cols, rows.cols, T{0});
      }
    } else {
      parts.set(offset + i, {static_cast<double>(rest[i]), static_cast<double>(gap[i]), 1.0});
    }
  }
}

template <class T>
UNITGAIN_INLINE void sparse_from_logits(const LossSpec& spec, const LossRows<T>& rows) {
  for (Index first = 0; first < rows.rows; first += loss_chunk) {
    const Index count = rows.rows - first < loss_chunk ? rows.rows - first : loss_chunk;
    ChunkParts parts;
    if (rows.cols <= lanes<T>) {
      for (Index i = 0; i < count; i += lanes<T>) {
        const Index some = count - i < lanes<T> ? count - i : lanes<T>;
        short_sparse_rows<T>(spec, rows, first + i, some, parts, i);
      }
    } else {
      for (Index i = 0; i < count; ++i) parts.set(i, sparse_row<T>(spec, rows, first + i));
    }
    parts.finish(count, rows.row_losses + first);
  }
}

// Returns the label's clipped share of the row's sum.
template <class T>
UNITGAIN_INLINE T sparse_share(const LossSpec& spec, const LossRows<T>& rows, Index i) {
  const Index n = rows.cols;
  const T* row = rows.outputs + i * n;
  T* gradient = rows.gradient == nullptr ? nullptr : rows.gradient + i * n;
  if (rows.predicted != nullptr) {
    rows.predicted[i] = static_cast<std::int32_t>(largest<T>(row, n).index);
  }
  if (is_ignored(spec, rows, i)) {
    if (gradient != nullptr) fill_row<T>(gradient, n, T{0});
    return T{1};
  }
  RunningSum<T> total;
  for_each_vector<T>(
      n, [&](auto load_from, auto) __attribute__((always_inline)) { total.add(load_from(row)); });
  const T sum = total.value();
  const T own = row[rows.labels[i]];
  const T share = own / sum;
  if (gradient != nullptr) {
    const T scale = scale_of(rows, i);
    const bool clipped = share < clip<T> || share > high_clip<T>;
    fill_row<T>(gradient, n, clipped ? T{0} : scale / sum);
    // d(-log(own / sum)) / d own = 1 / sum - 1 / own, in a form that does not cancel near share 1.
    if (!clipped) gradient[rows.labels[i]] = -scale * ((sum - own) / sum) / own;
  }
  return share < clip<T> ? clip<T> : share > high_clip<T> ? high_clip<T> : share;
}

template <class T>
UNITGAIN_INLINE void sparse_from_probabilities(const LossSpec& spec, const LossRows<T>& rows) {
  for (Index i = 0; i < rows.rows; ++i) {
    rows.row_losses[i] = static_cast<double>(sparse_share<T>(spec, rows, i));
  }
  for_each_vector<double>(
      rows.rows, [&](auto load_from, auto store_to) __attribute__((always_inline)) {
        const Vec<double> share = load_from(rows.row_losses);
        store_to(select<double>(share == share, -logarithm(share), share), rows.row_losses);
      });
}

template <class T>
void sparse_categorical_crossentropy(const LossSpec& spec, const LossRows<T>& rows) {
  spec.from_logits ? sparse_from_logits<T>(spec, rows) : sparse_from_probabilities<T>(spec, rows);
}

// A target distribution, smoothed: t (1 - smoothing) + smoothing / cols.
template <class T>
struct Smoothing {
  T keep, add;
  UNITGAIN_INLINE Smoothing(const LossSpec& spec, double parts)
      : keep(static_cast<T>(1 - spec.label_smoothing)),
        add(static_cast<T>(spec.label_smoothing / parts)) {}
  UNITGAIN_INLINE Vec<T> operator()(Vec<T> target) const {
    return multiply_add<T>(target, keep, add);
  }
};

template <class T>
UNITGAIN_INLINE RowParts dense_row(const LossRows<T>& rows, Index i, const Smoothing<T>& smooth) {
  const Index n = rows.cols;
  const T* row = rows.outputs + i * n;
  const T* target = rows.targets + i * n;
  T* gradient = rows.gradient == nullptr ? nullptr : rows.gradient + i * n;
  const T peak = row_maximum<T>(row, n);
  Rest<T> others;
  RunningSum<T> targets, gaps;
  for_each_filled<T>(row, n, -Format<T>::infinity,
                     [&](Vec<T> v, Index j) __attribute__((always_inline)) {
                       Vec<T> t = smooth(load_at<T>(target, j, n));
                       where(lane_index<T>() >= static_cast<T>(n - j), t) = T{0};
                       const Vec<T> e = exp_nonpositive<T>(v - peak);
                       others.add(e);
                       targets.add(t);
                       // A target of probability 0 says nothing about its logit, not even -inf.
                       gaps.add(select<T>(t == T{0}, T{0}, t * (peak - v)));
                       if (gradient != nullptr) store_at<T>(e, gradient, j, n);
                     });
  const T rest = others.value(), total = targets.value();
  if (gradient != nullptr) {
    const T scale = scale_of(rows, i);
    const T share = total / (T{1} + rest);
    for_each_vector<T>(n, [&](auto load_from, auto store_to) __attribute__((always_inline)) {
      const Vec<T> e = load_from(gradient), t = smooth(load_from(target));
      // total p - t; where p is the largest, as (total - t) - total (1 - p), which does not cancel.
      const Vec<T> top = (total - t) - rest * share;
      store_to(scale * select<T>(e == T{1}, top, e * share - t), gradient);
    });
  }
  return {static_cast<double>(rest), static_cast<double>(gaps.value()), static_cast<double>(total)};
}

// The row's loss for weights in place of logits, each divided by the row's sum and clipped.
template <class T>
UNITGAIN_INLINE double dense_row_from_probabilities(const LossRows<T>& rows, Index i,
                                                    const Smoothing<T>& smooth) {
  const Index n = rows.cols;
  const T* row = rows.outputs + i * n;
  const T* target = rows.targets + i * n;
  RunningSum<T> total;
  for_each_vector<T>(
      n, [&](auto load_from, auto) __attribute__((always_inline)) { total.add(load_from(row)); });
  const T sum = total.value();
  RunningSum<T> losses, unclipped;
  for_each_filled<T>(row, n, sum, [&](Vec<T> v, Index j) __attribute__((always_inline)) {
    Vec<T> t = smooth(load_at<T>(target, j, n));
    where(lane_index<T>() >= static_cast<T>(n - j), t) = T{0};
    Vec<T> p = v / sum;
    const Mask<T> within = !(p < clip<T>) && !(p > high_clip<T>);
    unclipped.add(select<T>(within, t, T{0}));
    where(p < clip<T>, p) = clip<T>;
    where(p > high_clip<T>, p) = high_clip<T>;
    losses.add(t * select<T>(p == p, log_normal<T>(p), p));
  });
  if (rows.gradient != nullptr) {
    T* gradient = rows.gradient + i * n;
    const T scale = scale_of(rows, i) / sum;
    const Vec<T> inside = unclipped.value();
    for_each_vector<T>(n, [&](auto load_from, auto store_to) __attribute__((always_inline)) {
      const Vec<T> t = smooth(load_from(target)), v = load_from(row), p = v / sum;
      const Mask<T> within = !(p < clip<T>) && !(p > high_clip<T>);
      store_to(scale * (inside - select<T>(within && t != T{0}, t / p, T{0})), gradient);
    });
  }
  return -static_cast<double>(losses.value());
}

template <class T>
void categorical_crossentropy(const LossSpec& spec, const LossRows<T>& rows) {
  const Smoothing<T> smooth(spec, static_cast<double>(rows.cols));
  if (!spec.from_logits) {
    for (Index i = 0; i < rows.rows; ++i) {
      rows.row_losses[i] = dense_row_from_probabilities<T>(rows, i, smooth);
    }
    return;
  }
  for (Index first = 0; first < rows.rows; first += loss_chunk) {
    const Index count = rows.rows - first < loss_chunk ? rows.rows - first : loss_chunk;
    ChunkParts parts;
    for (Index i = 0; i < count; ++i) parts.set(i, dense_row<T>(rows, first + i, smooth));
    parts.finish(count, rows.row_losses + first);
  }
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
