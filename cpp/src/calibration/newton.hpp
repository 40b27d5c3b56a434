// Newton's method for a convex function of a few numbers.
#pragma once

#include <cmath>
#include <vector>

#include "unitgain/linalg.hpp"

namespace unitgain::calibration {

// Changes theta to where a loss is least. Of a Loss:
//   double value(const std::vector<double>& theta), which keeps what derivatives() needs;
//   void derivatives(const std::vector<double>& theta, double* slope, double* hessian) there.
// Steps are by the pseudoinverse of the second derivatives, and halved until the loss falls by a
// ten-thousandth of what its slope says (Armijo, Pacific Journal of Mathematics 16, 1966).
template <class Loss>
void minimise(Loss& loss, std::vector<double>& theta) {
  constexpr int most_steps = 100;
  constexpr double least_size = 1e-10;
  const auto n = static_cast<Index>(theta.size());
  std::vector<double> slope(theta.size()), step(theta.size()), tried(theta.size());
  std::vector<double> hessian(theta.size() * theta.size()), inverse(hessian.size());
  double value = loss.value(theta);
  for (int i = 0; i < most_steps; ++i) {
    loss.derivatives(theta, slope.data(), hessian.data());
    pinv<double>({hessian.data(), n, n, n, 1}, {inverse.data(), n, n, n, 1}, 1e-15);
    double fall = 0;  // along the step, for a size of 1
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index k = 0; k < n; ++k) sum += inverse[j * n + k] * slope[k];
      step[j] = sum;
      fall += sum * slope[j];
    }
    // Twice what the loss is above its least, as the second derivatives have it (Boyd and
    // Vandenberghe, "Convex optimization", 2004, 9.5.1): too little to be seen in its value, and a
    // whole step leaves its square.
    const bool is_last = fall <= 1e-12 * std::abs(value);
    double size = 1, next = value;
    while (size > least_size) {
      for (Index j = 0; j < n; ++j) tried[j] = theta[j] - size * step[j];
      if (is_last) break;
      next = loss.value(tried);
      if (next <= value - 1e-4 * size * fall) break;
      size /= 2;
    }
    if (size <= least_size) return;
    theta = tried;
    value = next;
    if (is_last) return;
  }
}

}  // namespace unitgain::calibration
