#include "ops/softmax.hpp"

#include "runtime/dispatch.hpp"

namespace unitgain::ops {

template <class T>
void softmax(const runtime::Team& team, const T* x, T* y, Index rows, Index cols) {
  const runtime::Range part = team.share(rows);
  const Index offset = part.begin * cols;
  runtime::kernels<T>().softmax->softmax(x + offset, y + offset, part.size(), cols);
}

template <class T>
void softmax_gradient(const runtime::Team& team, const T* y, const T* upstream, T* gradient,
                      Index rows, Index cols) {
  const runtime::Range part = team.share(rows);
  const Index offset = part.begin * cols;
  runtime::kernels<T>().softmax->gradient(y + offset, upstream + offset, gradient + offset,
                                          part.size(), cols);
}

template void softmax<float>(const runtime::Team&, const float*, float*, Index, Index);
template void softmax<double>(const runtime::Team&, const double*, double*, Index, Index);
template void softmax_gradient<float>(const runtime::Team&, const float*, const float*, float*,
                                      Index, Index);
template void softmax_gradient<double>(const runtime::Team&, const double*, const double*, double*,
                                       Index, Index);

}  // namespace unitgain::ops
