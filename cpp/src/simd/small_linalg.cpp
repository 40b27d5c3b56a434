// Householder QR and one-sided Jacobi of as many matrices as a vector has lanes.
#include "simd/kernels/small_linalg.hpp"

#include "simd/math.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

template <class T>
inline constexpr T epsilon = T(1) / (typename Format<T>::Bits{1} << Format<T>::fraction_bits);
template <class T>
inline constexpr T least_normal = sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022);

template <class T>
UNITGAIN_INLINE T* column(const Interleaved<T>& a, Index j) {
  return a.data + j * a.rows * lanes<T>;
}

template <class T>
UNITGAIN_INLINE Vec<T> at(const T* column, Index i) {
  return load(column + i * lanes<T>);
}

template <class T>
UNITGAIN_INLINE void put(Vec<T> v, T* column, Index i) {
  store(v, column + i * lanes<T>);
}

// Two partial sums, so that one addition need not wait for the last.
template <class T>
UNITGAIN_INLINE Vec<T> dot(const T* x, const T* y, Index n) {
  Vec<T> even = 0, odd = 0;
  Index i = 0;
  for (; i + 2 <= n; i += 2) {
    even = multiply_add<T>(at(x, i), at(y, i), even);
    odd = multiply_add<T>(at(x, i + 1), at(y, i + 1), odd);
  }
  if (i < n) even = multiply_add<T>(at(x, i), at(y, i), even);
  return even + odd;
}

template <class T>
UNITGAIN_INLINE Vec<T> maximum(Vec<T> v, Vec<T> most) {
  return select<T>(v > most, v, most);
}

// ---- Householder ----

template <class T>
void max_abs(const Interleaved<T>& a, T* largest) {
  Vec<T> most = 0, zeros = 0;
  for (Index i = 0; i < a.rows * a.cols; ++i) {
    const Vec<T> v = at(a.data, i);
    most = maximum<T>(absolute<T>(v), most);
    zeros += v * T{0};  // NaN from the first entry on that is not finite
  }
  store<T>(most + zeros, largest);
}

template <class T>
void scale(const Interleaved<T>& a, const T* first, const T* second) {
  const Vec<T> f = load(first), s = load(second);
  for (Index i = 0; i < a.rows * a.cols; ++i) put<T>(at(a.data, i) * f * s, a.data, i);
}

// x_c -= factor (v . x_c) v for `count` columns that are `stride` apart. squares[c] becomes the sum
// of the squares of the new x_c but for its first element, if wanted.
template <int count, class T>
UNITGAIN_INLINE void reflect(const T* v, Vec<T> factor, Index rows, T* x, Index stride,
                             T* squares) {
  Vec<T> weight[count];
  for (int c = 0; c < count; ++c) weight[c] = T{0};
  for (Index i = 0; i < rows; ++i) {
    const Vec<T> element = at(v, i);
    for (int c = 0; c < count; ++c) {
      weight[c] = multiply_add<T>(element, at(x + c * stride, i), weight[c]);
    }
  }
  for (int c = 0; c < count; ++c) {
    weight[c] *= -factor;
    put<T>(multiply_add<T>(weight[c], at(v, 0), at(x + c * stride, 0)), x + c * stride, 0);
  }
  Vec<T> sum[count];
  for (int c = 0; c < count; ++c) sum[c] = T{0};
  for (Index i = 1; i < rows; ++i) {
    const Vec<T> element = at(v, i);
    for (int c = 0; c < count; ++c) {
      const Vec<T> value = multiply_add<T>(weight[c], element, at(x + c * stride, i));
      put<T>(value, x + c * stride, i);
      sum[c] = multiply_add<T>(value, value, sum[c]);
    }
  }
  if (squares != nullptr) {
    for (int c = 0; c < count; ++c) put<T>(sum[c], squares, c);
  }
}

// H_k of columns `first` ... of x.
template <class T>
UNITGAIN_INLINE void reflect_columns(const InterleavedQr<T>& qr, Index k, const Interleaved<T>& x,
                                     Index first, T* squares) {
  const T* v = column(qr.vectors, k) + k * lanes<T>;
  const Vec<T> factor = at(qr.factor, k);
  const Index rows = x.rows - k, stride = x.rows * lanes<T>;
  Index j = first;
  for (; j < x.cols; ++j) {
    T* const to = column(x, j) + k * lanes<T>;
    T* const sums = squares == nullptr ? nullptr : squares + j * lanes<T>;
    if (j + 4 <= x.cols) {
      reflect<4>(v, factor, rows, to, stride, sums);
      j += 3;
    } else {
      reflect<1>(v, factor, rows, to, stride, sums);
    }
  }
}

// Exchanges column k for the longest of those from k on, lane by lane.
template <class T>
UNITGAIN_INLINE void pivot(const Interleaved<T>& a, Index k, Index* order, T* squares) {
  constexpr Index width = lanes<T>;
  Vec<T> most = at(squares, k), chosen = static_cast<T>(k);
  for (Index j = k + 1; j < a.cols; ++j) {
    const Vec<T> square = at(squares, j);
    const Mask<T> longer = square > most;
    where(longer, most) = square;
    where(longer, chosen) = static_cast<T>(j);
  }
  alignas(Vec<T>) T lane[width];
  store(chosen, lane);
  for (Index l = 0; l < width; ++l) {
    const Index from = static_cast<Index>(lane[l]);
    if (from == k) continue;
    const auto exchange = [](auto& x, auto& y) __attribute__((always_inline)) {
      const auto old = x;
      x = y;
      y = old;
    };
    T* const x = column(a, k) + l;
    T* const y = column(a, from) + l;
    for (Index i = 0; i < a.rows; ++i) exchange(x[i * width], y[i * width]);
    exchange(squares[k * width + l], squares[from * width + l]);
    exchange(order[k * width + l], order[from * width + l]);
  }
}

template <class T>
void factor(const InterleavedQr<T>& qr, Index* order, T* squares) {
  const Interleaved<T>& a = qr.vectors;
  for (Index j = 0; j < a.cols; ++j) {
    put<T>(dot(column(a, j), column(a, j), a.rows), squares, j);
    if (order == nullptr) continue;
    for (Index l = 0; l < lanes<T>; ++l) order[j * lanes<T> + l] = j;
  }
  for (Index k = 0; k < a.cols; ++k) {
    if (order != nullptr) pivot(a, k, order, squares);
    T* const v = column(a, k);
    const Vec<T> first = at(v, k), square = at(squares, k);
    // The rest of the column is nothing beside the largest entry: H_k = I.
    const Mask<T> nothing = square < least_normal<T>;
    const Vec<T> norm = square_root<T>(square);
    const Vec<T> diagonal = select<T>(first > T{0}, -norm, norm);
    const Vec<T> head = first - diagonal;
    put<T>(select<T>(nothing, first, diagonal), qr.diagonal, k);
    put<T>(select<T>(nothing, Vec<T>(T{0}), Vec<T>(T{-1}) / (diagonal * head)), qr.factor, k);
    put<T>(head, v, k);
    reflect_columns(qr, k, a, k + 1, squares);
  }
}

template <class T>
void apply_q(const InterleavedQr<T>& qr, const Interleaved<T>& x) {
  for (Index k = qr.vectors.cols; k-- > 0;) {
    reflect_columns(qr, k, x, 0, static_cast<T*>(nullptr));
  }
}

// `count` rows of R^-1, z R = e_i. qr.diagonal holds the reciprocals by now.
template <int count, class T>
UNITGAIN_INLINE void invert_rows(const InterleavedQr<T>& qr, Index first,
                                 const Interleaved<T>& inverse, Vec<T>& sum) {
  T* const z = column(inverse, first);
  const Index stride = inverse.rows * lanes<T>;
  for (int c = 0; c < count; ++c) {
    for (Index i = 0; i < inverse.rows; ++i) put<T>(Vec<T>(T{0}), z + c * stride, i);
  }
  for (Index j = first; j < inverse.cols; ++j) {
    const T* const r = column(qr.vectors, j);
    Vec<T> value[count];
    for (int c = 0; c < count; ++c) value[c] = T(first + c == j ? 1 : 0);
    for (Index i = first; i < j; ++i) {
      const Vec<T> element = -at(r, i);
      for (int c = 0; c < count; ++c) {
        value[c] = multiply_add<T>(element, at(z + c * stride, i), value[c]);
      }
    }
    for (int c = 0; c < count; ++c) {
      const Vec<T> entry = value[c] * at(qr.diagonal, j);
      put<T>(entry, z + c * stride, j);
      sum = multiply_add<T>(entry, entry, sum);
    }
  }
}

template <class T>
void invert_r(const InterleavedQr<T>& qr, const Interleaved<T>& inverse, T* condition) {
  const Index n = qr.vectors.cols;
  Vec<T> r_square = 0, inverse_square = 0;
  for (Index j = 0; j < n; ++j) {
    const T* const r = column(qr.vectors, j);
    const Vec<T> diagonal = at(qr.diagonal, j);
    r_square += multiply_add<T>(diagonal, diagonal, dot(r, r, j));
    put<T>(T{1} / diagonal, qr.diagonal, j);
  }
  for (Index i = 0; i < n; ++i) {
    if (i + 4 <= n) {
      invert_rows<4>(qr, i, inverse, inverse_square);
      i += 3;
    } else {
      invert_rows<1>(qr, i, inverse, inverse_square);
    }
  }
  store<T>(square_root<T>(r_square) * square_root<T>(inverse_square), condition);
}

// ---- Jacobi ----

template <class T>
UNITGAIN_INLINE Vec<T> sum_of_squares(const T* x, Index n) {
  Vec<T> sum = 0;
  for (Index i = 0; i < n; ++i) sum = multiply_add<T>(at(x, i), at(x, i), sum);
  return sum;
}

template <class T>
struct Sweep {
  Interleaved<T> x;
  Interleaved<T> rotations;
  T* squares;
  T* lengths;
  Vec<T> least_length;
  Mask<T> active;
  Vec<T> cosine;    // the largest cosine of an angle between two columns, before its rotation
  Vec<T> movement;  // the largest part of one column that was added to another, relative to it
};

template <class T>
inline constexpr T tolerance = 2 * epsilon<T>;

// A rotation of two columns, and whether they change places after it; no lane that does not turn
// changes. x' = c x - s y = x - s (y + r x) and y' = s x + c y = y + s (x - r y) with r = s / (1 +
// c): rounding s and r changes lengths by a share of s^2 alone, where rounding c would change them
// in every rotation (Rutishauser, "The Jacobi method for real symmetric matrices", Numerische
// Mathematik 9, 1966).
template <class T>
struct Turn {
  Index first;
  Index second;
  Vec<T> s;
  Vec<T> r;
  Mask<T> exchanged;
};

// As Sweep::rotate of linalg/jacobi_svd.cpp, where the formulas have their sources. False if no
// lane turns.
template <class T>
UNITGAIN_INLINE bool find_turn(Sweep<T>& sweep, Turn<T>& turn) {
  const Index first = turn.first, second = turn.second;
  const Vec<T> product = dot(column(sweep.x, first), column(sweep.x, second), sweep.x.rows);
  const Vec<T> p_length = at(sweep.lengths, first), q_length = at(sweep.lengths, second);
  const Vec<T> magnitude = absolute<T>(product);
  const Mask<T> turns = sweep.active && magnitude > tolerance<T> * p_length * q_length &&
                        p_length > sweep.least_length && q_length > sweep.least_length;
  if (none_of(turns)) return false;

  const Vec<T> p = at(sweep.squares, first), q = at(sweep.squares, second);
  const Vec<T> zeta = (q - p) / (product + product);
  const Vec<T> size = absolute<T>(zeta);
  // Beyond 1 / epsilon the root is |zeta|, whose square might overflow.
  const Vec<T> root = select<T>(size > T{1} / epsilon<T>, size,
                                square_root<T>(multiply_add<T>(size, size, Vec<T>(T{1}))));
  const Vec<T> tangent = with_sign<T>(T{1} / (size + root), zeta);
  const Vec<T> secant = square_root<T>(multiply_add<T>(tangent, tangent, Vec<T>(T{1})));
  turn.s = select<T>(turns, tangent / secant, Vec<T>(T{0}));
  turn.r = select<T>(turns, tangent / (T{1} + secant), Vec<T>(T{0}));
  turn.exchanged = turns && tangent * product > T{0};

  const Mask<T> longer = p_length > q_length;
  const Vec<T> ratio = select<T>(longer, p_length / q_length, q_length / p_length);
  const Vec<T> angle = magnitude / p_length / q_length, moved = absolute<T>(tangent) * ratio;
  where(turns, sweep.cosine) = maximum<T>(angle, sweep.cosine);
  where(turns, sweep.movement) = maximum<T>(moved, sweep.movement);
  return true;
}

// Turns x and y, and sums the squares of what they become.
template <bool exchanges, class T>
UNITGAIN_INLINE void turn_columns(const Turn<T>& turn, T* x, T* y, Index n, Vec<T>* sums) {
  const Vec<T> s = turn.s, minus_s = -turn.s, r = turn.r, minus_r = -turn.r;
  for (Index i = 0; i < n; ++i) {
    const Vec<T> u = at(x, i), v = at(y, i);
    Vec<T> upper = multiply_add<T>(minus_s, multiply_add<T>(r, u, v), u);
    Vec<T> lower = multiply_add<T>(s, multiply_add<T>(minus_r, v, u), v);
    if constexpr (exchanges) {
      const Vec<T> old = upper;
      where(turn.exchanged, upper) = lower;
      where(turn.exchanged, lower) = old;
    }
    put<T>(upper, x, i);
    put<T>(lower, y, i);
    if (sums == nullptr) continue;
    sums[0] = multiply_add<T>(upper, upper, sums[0]);
    sums[1] = multiply_add<T>(lower, lower, sums[1]);
  }
}

template <bool exchanges, class T>
UNITGAIN_INLINE void apply_turn(Sweep<T>& sweep, const Turn<T>& turn) {
  const Index n = sweep.x.rows;
  Vec<T> sums[2] = {T{0}, T{0}};
  turn_columns<exchanges>(turn, column(sweep.x, turn.first), column(sweep.x, turn.second), n, sums);
  put<T>(sums[0], sweep.squares, turn.first);
  put<T>(sums[1], sweep.squares, turn.second);
  put<T>(square_root<T>(sums[0]), sweep.lengths, turn.first);
  put<T>(square_root<T>(sums[1]), sweep.lengths, turn.second);
  if (sweep.rotations.data == nullptr) return;
  turn_columns<exchanges>(turn, column(sweep.rotations, turn.first),
                          column(sweep.rotations, turn.second), n, static_cast<Vec<T>*>(nullptr));
}

// Columns to a block: the pairs of two blocks, and J's columns with them, stay in the first-level
// cache.
constexpr Index block = 4;

// The angles of pairs without a common column are all found first, so that the CPU overlaps their
// long chains of square roots and divisions.
template <class T>
[[gnu::noinline]] void rotate_blocks(Sweep<T>& sweep, Index first, Index second) {
  for (Index sum = 0; sum <= 2 * block - 2; ++sum) {
    Turn<T> turns[block];
    Index count = 0;
    for (Index i = sum < block ? 0 : sum - block + 1; i <= sum && i < block; ++i) {
      Turn<T>& turn = turns[count];
      turn.first = first * block + i;
      turn.second = second * block + sum - i;
      if (turn.first >= turn.second || turn.second >= sweep.x.cols) continue;
      if (find_turn(sweep, turn)) ++count;
    }
    for (Index i = 0; i < count; ++i) {
      if (any_of(turns[i].exchanged)) {
        apply_turn<true>(sweep, turns[i]);
      } else {
        apply_turn<false>(sweep, turns[i]);
      }
    }
  }
}

template <class T>
void orthogonalize(const InterleavedQr<T>& qr, const Interleaved<T>& x,
                   const Interleaved<T>& rotations, T* squares, T* lengths,
                   const JacobiLimits& limits) {
  const Index n = x.cols;
  for (Index k = 0; k < n; ++k) {
    T* const to = column(x, k);
    for (Index j = 0; j < k; ++j) put<T>(Vec<T>(T{0}), to, j);
    put<T>(at(qr.diagonal, k), to, k);
    for (Index j = k + 1; j < n; ++j) put<T>(at(column(qr.vectors, j), k), to, j);
    const Vec<T> square = sum_of_squares(to, n);
    put<T>(square, squares, k);
    put<T>(square_root<T>(square), lengths, k);
  }
  if (rotations.data != nullptr) {
    for (Index k = 0; k < rotations.cols; ++k) {
      for (Index i = 0; i < rotations.rows; ++i) {
        put<T>(Vec<T>(T(i == k ? 1 : 0)), column(rotations, k), i);
      }
    }
  }
  Sweep<T> sweep = {x,
                    rotations,
                    squares,
                    lengths,
                    Vec<T>(static_cast<T>(limits.least_length)),
                    Mask<T>(true),
                    Vec<T>(T{0}),
                    Vec<T>(T{0})};
  // When a lane is done: see linalg/jacobi_svd.cpp.
  const T pairs = static_cast<T>(2 * n);
  const T rounding =
      tolerance<T> * (2 + static_cast<T>(__builtin_sqrt(static_cast<double>(n))) / 4);
  const Index blocks = (n + block - 1) / block;
  for (int count = 0; count < limits.most_sweeps && any_of(sweep.active); ++count) {
    sweep.cosine = T{0};
    sweep.movement = T{0};
    for (Index round = 0; round < blocks; ++round) {
      for (Index i = 0; i <= round / 2; ++i) rotate_blocks(sweep, i, round - i);
      for (Index i = round + 1; i <= (round + blocks) / 2; ++i) {
        rotate_blocks(sweep, i, round + blocks - i);
      }
    }
    const Mask<T> done =
        pairs * sweep.cosine * sweep.movement <= tolerance<T> || sweep.cosine <= rounding;
    sweep.active = sweep.active && !done;
  }
}

template <class T>
constexpr SmallLinalgKernels<T> kernels = {
    .lanes = lanes<T>,
    .max_abs = max_abs<T>,
    .scale = scale<T>,
    .factor = factor<T>,
    .apply_q = apply_q<T>,
    .invert_r = invert_r<T>,
    .orthogonalize = orthogonalize<T>,
};

}  // namespace

constinit const SmallLinalgKernels<float> small_linalg_f32 = kernels<float>;
constinit const SmallLinalgKernels<double> small_linalg_f64 = kernels<double>;

}  // namespace unitgain::simd::UNITGAIN_VARIANT
