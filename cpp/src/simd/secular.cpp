// Sums over the poles of a secular equation. Lanes beyond the last pole have d = 0 and z = 0, and
// divide by -s^2, which is not 0.
#include "simd/kernels/secular.hpp"
#include "simd/variant.hpp"
#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

using V = Vec<double>;

UNITGAIN_INLINE V difference_of_squares(V d, V origin, V shift) {
  return (d - origin) * (d + origin) - shift;
}

void sums(const double* d, const double* z2, SecularRoot root, Index n, double* sums) {
  const V origin = root.origin, shift = root.shift, one = 1;
  V sum = 0, derivative = 0;
  for_each_vector<double>(n, [&](auto get, auto) __attribute__((always_inline)) {
    const V inverse = one / difference_of_squares(get(d), origin, shift);
    const V term = get(z2) * inverse;
    sum += term;
    derivative = multiply_add<double>(term, inverse, derivative);
  });
  sums[0] = reduce(sum);
  sums[1] = reduce(derivative);
}

void multiply(const double* d, SecularRoot root, double pole, double* products, Index n) {
  const V origin = root.origin, shift = root.shift, other = pole;
  for_each_vector<double>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const V at = get(d);
    const V ratio = difference_of_squares(at, origin, shift) / ((at - other) * (at + other));
    put(get(products) * ratio, products);
  });
}

void vectors(const double* d, const double* z, SecularRoot root, Index n, double* left,
             double* right, double* squares) {
  const V origin = root.origin, shift = root.shift;
  V left_squares = 0, right_squares = 0;
  for_each_vector<double>(n, [&](auto get, auto put) __attribute__((always_inline)) {
    const V at = get(d);
    const V right_value = get(z) / difference_of_squares(at, origin, shift);
    const V left_value = at * right_value;
    put(right_value, right);
    put(left_value, left);
    left_squares = multiply_add<double>(left_value, left_value, left_squares);
    right_squares = multiply_add<double>(right_value, right_value, right_squares);
  });
  squares[0] = reduce(left_squares);
  squares[1] = reduce(right_squares);
}

}  // namespace

constinit const SecularKernels secular = {
    .sums = sums,
    .multiply = multiply,
    .vectors = vectors,
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
