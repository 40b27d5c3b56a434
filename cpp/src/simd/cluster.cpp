// k-means: what is done to a block of samples before and after the product with the centres.
#include "simd/kernels/cluster.hpp"

#include <cstring>

#include "simd/math.hpp"
#include "simd/screen.hpp"
#include "simd/transpose.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// Vectors of a sum in flight at a time.
constexpr Index chains = 4;

// The sum over [0, n) of difference(load, store) squared, four vectors at a time.
template <class T, class Difference>
UNITGAIN_INLINE T sum_of_squares(Index n, Difference&& difference) {
  Vec<T> sums[chains] = {0, 0, 0, 0};
  Index i = 0;
  for (; i + chains * lanes<T> <= n; i += chains * lanes<T>) {
#pragma GCC unroll 4
    for (Index c = 0; c < chains; ++c) {
      const Vec<T> v = difference([at = i + c * lanes<T>](const T* p)
                                      __attribute__((always_inline)) { return load(p + at); },
                                  [at = i + c * lanes<T>](Vec<T> value, T* p)
                                      __attribute__((always_inline)) { store(value, p + at); });
      sums[c] = multiply_add<T>(v, v, sums[c]);
    }
  }
  for_each_vector<T>(n - i, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> v =
        difference([&](const T* p) __attribute__((always_inline)) { return get(p + i); },
                   [&](Vec<T> value, T* p) __attribute__((always_inline)) { put(value, p + i); });
    sums[0] = multiply_add<T>(v, v, sums[0]);
  });
  return reduce((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class T>
void center(const T* x, Index row_stride, Index col_stride, const T* shift, Index rows, Index cols,
            T* to, Index to_stride, T* squares) {
  for (Index i = 0; i < rows; ++i, x += row_stride, to += to_stride) {
    const T* from = x;
    if (col_stride != 1) {
      for (Index j = 0; j < cols; ++j) to[j] = x[j * col_stride];
      from = to;
    }
    squares[i] = sum_of_squares<T>(cols, [&](auto get, auto put) __attribute__((always_inline)) {
      const Vec<T> v = get(from) - get(shift);
      put(v, to);
      return v;
    });
  }
}

// a < b ? a : b. By its name on AVX-512, as max() in simd/register.hpp.
template <class T>
UNITGAIN_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) {
    return Vec<T>::of(_mm512_maskz_min_ps(0xffff, a.lane, b.lane));
  } else {
    return Vec<T>::of(_mm512_maskz_min_pd(0xff, a.lane, b.lane));
  }
#else
  return Vec<T>::of(a.lane < b.lane ? a.lane : b.lane);
#endif
}

// The least values of some rows, lane by lane: how much, which, and the least of the rest.
template <class T>
struct LeastOfRows {
  NativeVector<T> best[lanes<T>], place[lanes<T>], second[lanes<T>];

  // The row's values offsets - 2 products. Lanes hold the first of their own least.
  template <bool two>
  UNITGAIN_INLINE void take(Index row, const T* products, const T* offsets, Index cols) {
    constexpr T infinity = Format<T>::infinity;
    Vec<T> least = infinity, where_least = T{0}, rest = infinity;
    Vec<T> index = lane_index<T>();
    const auto visit = [&](Vec<T> value) __attribute__((always_inline)) {
      where(value < least, where_least) = index;
      index += static_cast<T>(lanes<T>);
      if constexpr (two) rest = min<T>(max<T>(value, least), rest);
      least = min<T>(value, least);
    };
    Index j = 0;
    for (; j + lanes<T> <= cols; j += lanes<T>) {
      visit(multiply_add<T>(load(products + j), T{-2}, load(offsets + j)));
    }
    if (j < cols) {
      const Vec<T> value = multiply_add<T>(load_partial(products + j, cols - j), T{-2},
                                           load_partial(offsets + j, cols - j));
      visit(select<T>(lane_index<T>() < static_cast<T>(cols - j), value, infinity));
    }
    best[row] = std::bit_cast<NativeVector<T>>(least);
    place[row] = std::bit_cast<NativeVector<T>>(where_least);
    if constexpr (two) second[row] = std::bit_cast<NativeVector<T>>(rest);
  }
};

// Of as many rows at a time as a vector has lanes, transposed: a row is a lane then, and nothing is
// shuffled to compare along it.
template <class T, bool two>
UNITGAIN_INLINE void find_nearest(const T* products, Index row_stride, Index rows, Index cols,
                                  const T* offsets, std::int32_t* labels, T* values, T* seconds) {
  LeastOfRows<T> found = {};
  alignas(Vec<T>) T places[lanes<T>];
  for (Index first = 0; first < rows; first += lanes<T>) {
    const Index count = lesser(lanes<T>, rows - first);
    for (Index i = 0; i < count; ++i, products += row_stride) {
      found.template take<two>(i, products, offsets, cols);
    }
    transpose<T>(found.best);
    transpose<T>(found.place);
    if constexpr (two) transpose<T>(found.second);
    const auto at = [](const NativeVector<T>& v)
                        __attribute__((always_inline)) { return std::bit_cast<Vec<T>>(v); };
    Vec<T> best = at(found.best[0]), place = at(found.place[0]), second = at(found.second[0]);
    for (Index lane = 1; lane < lanes<T>; ++lane) {
      const Vec<T> value = at(found.best[lane]), which = at(found.place[lane]);
      where(value < best || (value == best && which < place), place) = which;
      if constexpr (two) {
        second = min<T>(min<T>(max<T>(value, best), at(found.second[lane])), second);
      }
      best = min<T>(value, best);
    }
    store_partial(best, values + first, count);
    if constexpr (two) store_partial(second, seconds + first, count);
    store(place, places);
    for (Index i = 0; i < count; ++i) labels[first + i] = static_cast<std::int32_t>(places[i]);
  }
}

template <class T>
void nearest(const T* products, Index row_stride, Index rows, Index cols, const T* offsets,
             std::int32_t* labels, T* values) {
  find_nearest<T, false>(products, row_stride, rows, cols, offsets, labels, values, nullptr);
}
template <class T>
void nearest_two(const T* products, Index row_stride, Index rows, Index cols, const T* offsets,
                 std::int32_t* labels, T* values, T* seconds) {
  find_nearest<T, true>(products, row_stride, rows, cols, offsets, labels, values, seconds);
}

// Rows of at most most_short values, as many at a time as a vector has lanes, without the shift: a
// column is a vector, and the products with a centre are sums of it times one number each.
template <class T>
UNITGAIN_INLINE void load_columns(const T* x, Index row_stride, Index count, Index cols,
                                  const T* shift, Vec<T>* columns) {
  for (Index first = 0; first < cols; first += lanes<T>) {
    const Index width = lesser(lanes<T>, cols - first);
    NativeVector<T> block[lanes<T>];
    for (Index i = 0; i < lanes<T>; ++i) {
      // Behind the last row, the last.
      const T* row = x + lesser(i, count - 1) * row_stride + first;
      block[i] =
          std::bit_cast<NativeVector<T>>(width == lanes<T> ? load(row) : load_partial(row, width));
    }
    transpose<T>(block);
    for (Index j = 0; j < width; ++j) {
      columns[first + j] = std::bit_cast<Vec<T>>(block[j]) - Vec<T>(shift[first + j]);
    }
  }
}

template <class T>
bool nearest_short(const T* x, Index row_stride, Index rows, Index cols, const T* shift,
                   const T* centers, Index clusters, const T* offsets, T share, T largest_square,
                   std::int32_t* labels, T* values, T* seconds, T* squares) {
  constexpr Index group = 4;  // centres at a time
  constexpr T infinity = Format<T>::infinity;
  Vec<T> columns[most_short];
  alignas(Vec<T>) T places[lanes<T>];
  unsigned any_close = 0;
  for (Index first = 0; first < rows; first += lanes<T>, x += lanes<T> * row_stride) {
    const Index count = lesser(lanes<T>, rows - first);
    load_columns(x, row_stride, count, cols, shift, columns);
    Vec<T> least = infinity, place = T{0}, second = infinity, square = T{0};
    const auto visit = [&](Vec<T> product, Index j) __attribute__((always_inline)) {
      const Vec<T> value = multiply_add<T>(product, T{-2}, Vec<T>(offsets[j]));
      where(value < least, place) = static_cast<T>(j);
      second = min<T>(max<T>(value, least), second);
      least = min<T>(value, least);
    };
    for (Index k = 0; k < cols; ++k) square = multiply_add<T>(columns[k], columns[k], square);
    Index j = 0;
    for (; j + group <= clusters; j += group) {
      const T* center = centers + j * cols;
      Vec<T> products[group] = {0, 0, 0, 0};
      for (Index k = 0; k < cols; ++k) {
#pragma GCC unroll 4
        for (Index c = 0; c < group; ++c) {
          products[c] = multiply_add<T>(columns[k], Vec<T>(center[c * cols + k]), products[c]);
        }
      }
#pragma GCC unroll 4
      for (Index c = 0; c < group; ++c) visit(products[c], j + c);
    }
    for (; j < clusters; ++j) {
      Vec<T> product = T{0};
      for (Index k = 0; k < cols; ++k) {
        product = multiply_add<T>(columns[k], Vec<T>(centers[j * cols + k]), product);
      }
      visit(product, j);
    }
    // NaN compares false, and counts as close.
    const Mask<T> apart = second - least > (square + Vec<T>(largest_square)) * Vec<T>(share);
    any_close |= ~lane_bits(apart) & ((1u << lanes<T>)-1);
    store_partial(least, values + first, count);
    store_partial(second, seconds + first, count);
    store_partial(square, squares + first, count);
    store(place, places);
    for (Index i = 0; i < count; ++i) labels[first + i] = static_cast<std::int32_t>(places[i]);
  }
  return any_close != 0;
}

template <class T>
constexpr T rounding_unit =
    T(1) / static_cast<T>(typename Format<T>::Bits{1} << Format<T>::fraction_bits);

template <class T>
void bounds(const T* values, const T* seconds, const T* squares, Index n, T radius, T error,
            T* uppers, T* lowers) {
  constexpr T rounding = T(8) * rounding_unit<T>;
  for_each_vector<T>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const Vec<T> square = get(squares);
    const Vec<T> reach = square_root<T>(square) + radius;
    const Vec<T> slack = reach * reach * (T(20) * error);
    const Vec<T> near = square_root<T>(max<T>(get(values) + square, T{0}) + slack);
    const Vec<T> far = square_root<T>(max<T>(get(seconds) + square - slack, T{0}));
    put(near * (T{1} + rounding), uppers);
    put(far * (T{1} - rounding), lowers);
  });
}

// Two passes over a run of samples: one that vectorises, and one that skips what it found closed.
template <class T>
Index move_bounds(T* __restrict uppers, T* __restrict lowers, const std::int32_t* __restrict labels,
                  const T* __restrict rises, const T* __restrict falls, const T* __restrict halves,
                  Index n, Index first, std::int32_t* open) {
  constexpr T outwards = T(1) + T(4) * rounding_unit<T>, inwards = T(1) - T(4) * rounding_unit<T>;
  constexpr Index run = 256, word = 8;
  alignas(64) std::uint8_t is_open[run] = {};
  Index count = 0;
  for (Index begin = 0; begin < n; begin += run) {
    const Index size = lesser(run, n - begin);
    for (Index i = 0; i < size; ++i) {
      const std::int32_t label = labels[begin + i];
      const T upper = (uppers[begin + i] + rises[label]) * outwards;
      const T lower = (lowers[begin + i] - falls[label]) * inwards;
      uppers[begin + i] = upper;
      lowers[begin + i] = lower;
      const T limit = lower > halves[label] ? lower : halves[label];
      is_open[i] = static_cast<std::uint8_t>(upper < limit ? 0 : 1);
    }
    for (Index i = size; i < run; ++i) is_open[i] = 0;
    for (Index i = 0; i < size; i += word) {
      std::uint64_t any;
      std::memcpy(&any, is_open + i, sizeof any);
      if (any == 0) continue;
      for (Index j = i; j < i + word; ++j) {
        open[count] = static_cast<std::int32_t>(first + begin + j);
        count += is_open[j];
        if (count == n) return count;
      }
    }
  }
  return count;
}

template <class T>
UNITGAIN_INLINE Vec<T> squared_distance(Vec<T> product, T square, Vec<T> offset) {
  return max<T>(multiply_add<T>(product, T{-2}, offset + square), T{0});
}

template <class T>
UNITGAIN_INLINE T distance_of(const T* x, const T* center, Index depth) {
  return sum_of_squares<T>(
      depth, [&](auto get, auto) __attribute__((always_inline)) { return get(x) - get(center); });
}
template <class T>
[[gnu::noinline]] T exact_distance(const T* x, const T* center, Index depth) {
  return distance_of(x, center, depth);
}

// Below this share of ||x||^2 + ||c||^2, more than six bits of a squared distance are lost.
template <class T>
constexpr T least_share = T(1) / T(64);

template <class T>
void squared_distances(const T* products, Index row_stride, Index rows, Index cols,
                       const T* squares, const T* offsets, const T* x, Index x_stride,
                       const T* centers, Index centers_stride, Index depth, T* to,
                       Index to_stride) {
  for (Index i = 0; i < rows; ++i, products += row_stride, to += to_stride, x += x_stride) {
    const T square = squares[i];
    Index first = 0;
    for_each_vector<T>(cols, [&](auto get, auto put) __attribute__((always_inline)) {
      const Vec<T> offset = get(offsets);
      Vec<T> value = squared_distance<T>(get(products), square, offset);
      const Mask<T> within = lane_index<T>() < static_cast<T>(lesser(lanes<T>, cols - first));
      const Mask<T> close = within && value < (offset + square) * least_share<T>;
      put(value, to);
      for (unsigned left = lane_bits(close); left != 0; left &= left - 1) {
        const Index j = first + __builtin_ctz(left);
        to[j] = exact_distance(x, centers + j * centers_stride, depth);
      }
      first += lanes<T>;
    });
  }
}

template <class T>
void potentials(const T* squares, Index row_stride, Index rows, Index cols, const T* least,
                const T* weights, double* sums) {
  alignas(Vec<T>) T lane[lanes<T>];
  for (Index first = 0; first < cols; first += lanes<T>) {
    const Index count = lesser(lanes<T>, cols - first);
    Vec<T> sum = T{0};
    for (Index i = 0; i < rows; ++i) {
      const Vec<T> square = load_partial(squares + i * row_stride + first, count);
      const Vec<T> limit = least[i];
      const Vec<T> value = select<T>(square < limit, square, limit);
      sum = weights == nullptr ? sum + value : multiply_add<T>(value, Vec<T>(weights[i]), sum);
    }
    store(sum, lane);
    for (Index j = 0; j < count; ++j) sums[first + j] += static_cast<double>(lane[j]);
  }
}

template <class T>
void distances_to(const T* x, Index x_stride, const T* centers, Index centers_stride,
                  const std::int32_t* labels, Index rows, Index cols, T* distances) {
  for (Index i = 0; i < rows; ++i, x += x_stride) {
    distances[i] = distance_of(x, centers + labels[i] * centers_stride, cols);
  }
}

template <class T>
void add_to_sums(const T* x, Index x_stride, const std::int32_t* labels, const T* weights,
                 Index rows, Index cols, double* all_sums) {
  for (Index i = 0; i < rows; ++i, x += x_stride) {
    double* __restrict sums = all_sums + labels[i] * cols;
    const T* __restrict row = x;
    // Plain loops, which become conversions of whole vectors.
    if (weights == nullptr) {
      for (Index j = 0; j < cols; ++j) sums[j] += static_cast<double>(row[j]);
    } else {
      const double weight = static_cast<double>(weights[i]);
      for (Index j = 0; j < cols; ++j) sums[j] += weight * static_cast<double>(row[j]);
    }
  }
}

template <class T>
void move_in_sums(const T* __restrict x, double weight, Index cols, double* __restrict from,
                  double* __restrict to) {
  for (Index j = 0; j < cols; ++j) {
    const double value = weight * static_cast<double>(x[j]);
    from[j] -= value;
    to[j] += value;
  }
}

template <class T>
void square_roots(const T* x, T* y, Index n) {
  for_each_vector<T>(n, [&](auto get, auto put)
                            __attribute__((always_inline)) { put(square_root<T>(get(x)), y); });
}

template <class T>
double sum_of_distances(const T* products, T square, const T* offsets, Index n) {
  double sum = 0;
  constexpr Index run = 32 * lanes<T>;
  for (Index first = 0; first < n; first += run) {
    const Index count = lesser(run, n - first);
    Vec<T> partial = T{0};
    Index left = count;
    for_each_vector<T>(count, [&](auto get, auto) __attribute__((always_inline)) {
      const Vec<T> root =
          square_root<T>(squared_distance<T>(get(products + first), square, get(offsets + first)));
      partial +=
          left >= lanes<T> ? root : select<T>(lane_index<T>() < static_cast<T>(left), root, T{0});
      left -= lanes<T>;
    });
    sum += static_cast<double>(reduce(partial));
  }
  return sum;
}

template <class T>
constexpr const ScreenKernels<T>* screen_of() {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) {
    return &screen_f32;
  } else {
    return &screen_f64;
  }
#else
  return nullptr;
#endif
}

template <class T>
constexpr ClusterKernels<T> kernels = {
    .center = center<T>,
    .nearest = nearest<T>,
    .nearest_two = nearest_two<T>,
    .nearest_short = nearest_short<T>,
    .bounds = bounds<T>,
    .move_bounds = move_bounds<T>,
    .squared_distances = squared_distances<T>,
    .potentials = potentials<T>,
    .distances_to = distances_to<T>,
    .add_to_sums = add_to_sums<T>,
    .move_in_sums = move_in_sums<T>,
    .square_roots = square_roots<T>,
    .sum_of_distances = sum_of_distances<T>,
    .screen = screen_of<T>(),
};

}  // namespace

constinit const ClusterKernels<float> cluster_f32 = kernels<float>;
constinit const ClusterKernels<double> cluster_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
