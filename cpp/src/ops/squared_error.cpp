#include "ops/squared_error.hpp"

#include <cmath>

namespace unitgain::ops {

template <class T>
void squared_error(const runtime::Team& team, const T* outputs, const T* targets, Index rows,
                   Index cols, T scale, T* gradient, double* row_losses,
                   double* row_absolute_errors) {
  constexpr Index row_grain = 8;  // a cache line of the results
  const runtime::Range range = team.share(rows, row_grain);
  for (Index i = range.begin; i < range.end; ++i) {
    double squares = 0, magnitudes = 0;
    for (Index j = i * cols; j < (i + 1) * cols; ++j) {
      const T difference = outputs[j] - targets[j];
      squares += static_cast<double>(difference) * static_cast<double>(difference);
      magnitudes += std::abs(static_cast<double>(difference));
      if (gradient != nullptr) gradient[j] = scale * difference;
    }
    row_losses[i] = squares / static_cast<double>(cols);
    row_absolute_errors[i] = magnitudes / static_cast<double>(cols);
  }
}

template void squared_error(const runtime::Team&, const float*, const float*, Index, Index, float,
                            float*, double*, double*);
template void squared_error(const runtime::Team&, const double*, const double*, Index, Index,
                            double, double*, double*, double*);

}  // namespace unitgain::ops
