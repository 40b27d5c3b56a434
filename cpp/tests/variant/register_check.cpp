// Checks simd/register.hpp lane by lane against scalars. Compiled once for each variant, as the
// kernels are.
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// The first operation whose result was wrong.
struct Failure {
  const char* operation = nullptr;

  void expect(bool right, const char* name) {
    if (!right && operation == nullptr) operation = name;
  }
};

template <class T>
bool same(T a, T b) {
  return __builtin_memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

// Whether lane i of v is scalar(i), for all lanes.
template <class T, class Scalar>
bool holds(Vec<T> v, Scalar scalar) {
  T lane[lanes<T>];
  store(v, lane);
  bool right = true;
  for (Index i = 0; i < lanes<T>; ++i)
    right = right && same(lane[i], scalar(i)) && same(v[i], lane[i]);
  return right;
}

template <class T, class Scalar>
bool holds(Mask<T> mask, Scalar scalar) {
  bool right = true, any = false, all = true;
  int first = -1;
  for (Index i = 0; i < lanes<T>; ++i) {
    const bool bit = lane_bits(mask) >> i & 1;
    right = right && bit == scalar(i);
    if (bit && first < 0) first = static_cast<int>(i);
    any = any || bit;
    all = all && bit;
  }
  return right && any_of(mask) == any && none_of(mask) == !any && all_of(mask) == all &&
         (!any || find_first_set(mask) == first);
}

template <class T>
void check_numbers(Failure& failure) {
  constexpr T infinity = static_cast<T>(__builtin_inf()), nan = static_cast<T>(__builtin_nan(""));
  const T special[] = {T{0}, -T{0}, T{1}, T(-2.5), infinity, -infinity, nan, T(1e-30), T(3e20)};
  constexpr int count = 9;
  for (int shift = 0; shift < count * count; ++shift) {
    T a[lanes<T>], b[lanes<T>];
    for (Index i = 0; i < lanes<T>; ++i) {
      a[i] = special[(i + shift) % count];
      b[i] = special[(2 * i + shift / count) % count];
    }
    const Vec<T> x = load(a), y = load(b);
    failure.expect(holds(x, [&](Index i) { return a[i]; }), "load");
    failure.expect(holds(x + y, [&](Index i) { return a[i] + b[i]; }), "+");
    failure.expect(holds(x - y, [&](Index i) { return a[i] - b[i]; }), "-");
    failure.expect(holds(x * y, [&](Index i) { return a[i] * b[i]; }), "*");
    failure.expect(holds(x / y, [&](Index i) { return a[i] / b[i]; }), "/");
    failure.expect(holds(-x, [&](Index i) { return -a[i]; }), "negation");
    failure.expect(holds(x * T{2}, [&](Index i) { return a[i] * T{2}; }), "broadcast");
    failure.expect(holds(Vec<T>(-T{0}), [&](Index) { return -T{0}; }), "broadcast of -0");
    failure.expect(
        holds(abs(x), [&](Index i) { return a[i] < 0    ? -a[i]
                                            : a[i] == 0 ? T{0}
                                                        : a[i]; }), "abs");
    failure.expect(holds(max(x, y), [&](Index i) { return a[i] > b[i] ? a[i] : b[i]; }), "max");
    failure.expect(holds(x < y, [&](Index i) { return a[i] < b[i]; }), "<");
    failure.expect(holds(x <= y, [&](Index i) { return a[i] <= b[i]; }), "<=");
    failure.expect(holds(x > y, [&](Index i) { return a[i] > b[i]; }), ">");
    failure.expect(holds(x >= y, [&](Index i) { return a[i] >= b[i]; }), ">=");
    failure.expect(holds(x == y, [&](Index i) { return a[i] == b[i]; }), "==");
    failure.expect(holds(x != y, [&](Index i) { return a[i] != b[i]; }), "!=");
    failure.expect(holds(!(x < y), [&](Index i) { return !(a[i] < b[i]); }), "!");
    failure.expect(holds(x < y && x != T{0}, [&](Index i) { return a[i] < b[i] && a[i] != 0; }),
                   "&&");
    failure.expect(holds(x < y || x == T{0}, [&](Index i) { return a[i] < b[i] || a[i] == 0; }),
                   "||");
    failure.expect(holds(blend(x < y, x, y), [&](Index i) { return a[i] < b[i] ? a[i] : b[i]; }),
                   "blend");
    Vec<T> z = y;
    where(x < y, z) = x;
    failure.expect(holds(z, [&](Index i) { return a[i] < b[i] ? a[i] : b[i]; }), "where");
    where(x < y, z) *= T{3};
    failure.expect(holds(z, [&](Index i) { return a[i] < b[i] ? a[i] * T{3} : b[i]; }), "where *=");
    T stored[lanes<T>];
    store(y, stored);
    store_where(x < y, x, stored);
    failure.expect(holds(load(stored), [&](Index i) { return a[i] < b[i] ? a[i] : b[i]; }),
                   "store_where");
  }
  failure.expect(holds(Mask<T>(true), [](Index) { return true; }), "mask of all");
  failure.expect(holds(Mask<T>(false), [](Index) { return false; }), "mask of none");
}

// Sums of small integers are exact in every order.
template <class T>
void check_folds(Failure& failure) {
  for (Index top = 0; top < lanes<T>; ++top) {
    T a[lanes<T>], sum = 0;
    for (Index i = 0; i < lanes<T>; ++i) sum += a[i] = i == top ? T{100} : static_cast<T>(i);
    failure.expect(same(reduce(load(a)), sum), "reduce");
    failure.expect(same(hmax(load(a)), T{100}), "hmax");
    failure.expect(same(hmin(-load(a)), T{-100}), "hmin");
    failure.expect(holds(lane_index<T>(), [](Index i) { return static_cast<T>(i); }), "lane_index");
    const Vec<T> part = load_partial(a, top);
    failure.expect(holds(part, [&](Index i) { return i < top ? a[i] : T{0}; }), "load_partial");
    T stored[lanes<T>] = {};
    store_partial(load(a), stored, top);
    failure.expect(holds(load(stored), [&](Index i) { return i < top ? a[i] : T{0}; }),
                   "store_partial");
  }
}

template <class U>
void check_integers(Failure& failure) {
  U a[lanes<U>], b[lanes<U>];
  for (Index i = 0; i < lanes<U>; ++i) {
    a[i] = static_cast<U>(0x9E3779B97F4A7C15u) * static_cast<U>(i + 1);
    b[i] = ~a[i] / 3;
  }
  const Vec<U> x = load(a), y = load(b);
  failure.expect(holds(x + y, [&](Index i) { return static_cast<U>(a[i] + b[i]); }), "integers +");
  failure.expect(holds(x - y, [&](Index i) { return static_cast<U>(a[i] - b[i]); }), "integers -");
  failure.expect(holds(x & y, [&](Index i) { return static_cast<U>(a[i] & b[i]); }), "&");
  failure.expect(holds(x | y, [&](Index i) { return static_cast<U>(a[i] | b[i]); }), "|");
  failure.expect(holds(x ^ y, [&](Index i) { return static_cast<U>(a[i] ^ b[i]); }), "^");
  failure.expect(holds(x << 5, [&](Index i) { return static_cast<U>(a[i] << 5); }), "<<");
  failure.expect(holds(x >> 7, [&](Index i) { return static_cast<U>(a[i] >> 7); }), ">>");
}

}  // namespace

const char* wrong_register_operation() {
  Failure failure;
  check_numbers<float>(failure);
  check_numbers<double>(failure);
  check_folds<float>(failure);
  check_folds<double>(failure);
  check_integers<std::uint32_t>(failure);
  check_integers<std::uint64_t>(failure);
  return failure.operation;
}

}  // namespace unitgain::simd::UNITGAIN_VARIANT
