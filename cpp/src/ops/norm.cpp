#include "ops/norm.hpp"

#include <cmath>

#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::ops {

template <class T>
double block_norm(const T* x, Index n) {
  const simd::Kernels<T>& kernels = runtime::kernels<T>();
  const double sum = kernels.vector->sum_of_squares(x, n, 1.0);
  // Between these bounds no square of a double that matters has overflowed or gone denormal.
  if (sum == 0 || std::isnan(sum) || (sum > 0x1p-900 && sum < 0x1p1000)) {
    if (sum != 0 || sizeof(T) == sizeof(float)) return std::sqrt(sum);
  }
  const T largest = kernels.vector->max_abs(x, n);
  if (largest == 0 || !std::isfinite(largest)) return std::sqrt(sum);
  const double scale = std::ldexp(1.0, -std::ilogb(largest));
  return std::sqrt(kernels.vector->sum_of_squares(x, n, scale)) / scale;
}

double combined_norm(const double* norms, Index count) {
  double largest = 0;
  for (Index i = 0; i < count; ++i) {
    if (std::isnan(norms[i])) return norms[i];
    if (norms[i] > largest) largest = norms[i];
  }
  if (count == 1 || largest == 0 || std::isinf(largest)) return largest;
  double sum = 0, lost = 0;  // Kahan's sum
  for (Index i = 0; i < count; ++i) {
    const double ratio = norms[i] / largest;
    const double term = ratio * ratio - lost;
    const double next = sum + term;
    lost = (next - sum) - term;
    sum = next;
  }
  return largest * std::sqrt(sum);
}

template double block_norm(const float*, Index);
template double block_norm(const double*, Index);

}  // namespace unitgain::ops
