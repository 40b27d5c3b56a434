#include "ops/cross_entropy.hpp"

#include "runtime/dispatch.hpp"

namespace unitgain::ops {

template <class T>
void sparse_cross_entropy(const runtime::Team& team, const T* logits, Index rows, Index cols,
                          const std::int32_t* labels, T scale, T* gradient, double* row_losses,
                          std::int32_t* predicted) {
  const runtime::Range part = team.share(rows);
  const Index offset = part.begin * cols;
  runtime::kernels<T>().softmax->sparse_cross_entropy(
      logits + offset, part.size(), cols, labels + part.begin, scale,
      gradient == nullptr ? nullptr : gradient + offset, row_losses + part.begin,
      predicted + part.begin);
}

template <class T>
void sparse_cross_entropy_from_probabilities(const runtime::Team& team, const T* probabilities,
                                             Index rows, Index cols, const std::int32_t* labels,
                                             T scale, T* gradient, double* row_losses,
                                             std::int32_t* predicted) {
  const runtime::Range part = team.share(rows);
  const Index offset = part.begin * cols;
  runtime::kernels<T>().softmax->sparse_cross_entropy_from_probabilities(
      probabilities + offset, part.size(), cols, labels + part.begin, scale,
      gradient == nullptr ? nullptr : gradient + offset, row_losses + part.begin,
      predicted + part.begin);
}

template void sparse_cross_entropy<float>(const runtime::Team&, const float*, Index, Index,
                                          const std::int32_t*, float, float*, double*,
                                          std::int32_t*);
template void sparse_cross_entropy<double>(const runtime::Team&, const double*, Index, Index,
                                           const std::int32_t*, double, double*, double*,
                                           std::int32_t*);
template void sparse_cross_entropy_from_probabilities<float>(const runtime::Team&, const float*,
                                                             Index, Index, const std::int32_t*,
                                                             float, float*, double*, std::int32_t*);
template void sparse_cross_entropy_from_probabilities<double>(const runtime::Team&, const double*,
                                                              Index, Index, const std::int32_t*,
                                                              double, double*, double*,
                                                              std::int32_t*);

}  // namespace unitgain::ops
