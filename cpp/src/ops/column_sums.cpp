#include "ops/column_sums.hpp"

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"

namespace unitgain::ops {

template <class T>
void column_sums(const runtime::Team& team, const T* x, Index row_stride, Index rows, Index cols,
                 T* sums) {
  const runtime::Range part = team.share(cols, column_grain<T>);
  runtime::kernels<T>().column->sum(x + part.begin, row_stride, rows, part.size(),
                                    sums + part.begin);
}

template void column_sums<float>(const runtime::Team&, const float*, Index, Index, Index, float*);
template void column_sums<double>(const runtime::Team&, const double*, Index, Index, Index,
                                  double*);

}  // namespace unitgain::ops
