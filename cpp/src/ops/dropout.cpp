#include "ops/dropout.hpp"

#include <algorithm>
#include <cmath>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::ops {

template <class T>
void dropout(const runtime::Team& team, const T* x, T* y, Index n, std::uint64_t key,
             std::uint64_t stream, double rate) {
  const auto threshold =
      static_cast<std::uint32_t>(std::min(std::round(rate * 0x1p32), 0x1p32 - 1));
  const runtime::Range part = team.share(n, element_grain);
  runtime::kernels<T>().dropout->dropout(x + part.begin, y + part.begin, part.size(), key, stream,
                                         static_cast<std::uint64_t>(part.begin), threshold,
                                         static_cast<T>(1.0 / (1.0 - rate)));
}

template void dropout<float>(const runtime::Team&, const float*, float*, Index, std::uint64_t,
                             std::uint64_t, double);
template void dropout<double>(const runtime::Team&, const double*, double*, Index, std::uint64_t,
                              std::uint64_t, double);

}  // namespace unitgain::ops
