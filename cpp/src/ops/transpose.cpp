#include "ops/transpose.hpp"

#include <algorithm>

#include "ops/grain.hpp"

namespace unitgain::ops {

template <class T>
void transpose(const runtime::Team& team, const T* x, T* y, Index count, Index rows, Index cols) {
  // A tile is a cache line each way, so that each line that is read or written is used whole.
  constexpr Index tile = column_grain<T>;
  const Index bands = (cols + tile - 1) / tile;
  const runtime::Range part = team.share(count * bands);
  for (Index piece = part.begin; piece < part.end; ++piece) {
    const T* from = x + piece / bands * rows * cols;
    T* to = y + piece / bands * rows * cols;
    const Index left = piece % bands * tile, right = std::min(left + tile, cols);
    for (Index top = 0; top < rows; top += tile) {
      const Index bottom = std::min(top + tile, rows);
      for (Index j = left; j < right; ++j) {
        for (Index i = top; i < bottom; ++i) to[j * rows + i] = from[i * cols + j];
      }
    }
  }
}

template void transpose<float>(const runtime::Team&, const float*, float*, Index, Index, Index);
template void transpose<double>(const runtime::Team&, const double*, double*, Index, Index, Index);

}  // namespace unitgain::ops
