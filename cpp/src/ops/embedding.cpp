#include "ops/embedding.hpp"

#include <algorithm>

#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::ops {

template <class T>
Index embed(const runtime::Team& team, const MatrixView<const T>& numbers, const T* table,
            Index table_rows, std::int32_t* rows, const MatrixView<T>& y) {
  const runtime::Range part = team.share(y.rows, column_grain<std::int32_t>);
  Index wrong = -1;
  // Where value i is, counted on, as divisions take longer than a short row's copy.
  Index column = part.begin % numbers.cols;
  const T* of_row = numbers.data + part.begin / numbers.cols * numbers.row_stride;
  for (Index i = part.begin; i < part.end; ++i) {
    const T value = of_row[column];
    if (++column == numbers.cols) {
      column = 0;
      of_row += numbers.row_stride;
    }
    T* const to = y.data + i * y.row_stride;
    // A NaN fails the first comparison.
    const bool within = value >= 0 && value < static_cast<T>(table_rows);
    const auto row = within ? static_cast<std::int32_t>(value) : -1;
    if (within && static_cast<T>(row) == value) {
      rows[i] = row;
      std::copy_n(table + row * y.cols, y.cols, to);
      continue;
    }
    rows[i] = -1;
    std::fill_n(to, y.cols, T{0});
    if (wrong < 0) wrong = i;
  }
  return wrong;
}

template <class T>
void embed_gradient(const runtime::Team& team, const std::int32_t* rows,
                    const MatrixView<const T>& upstream, T* gradient, Index table_rows,
                    bool accumulate) {
  const Index cols = upstream.cols;
  if (!accumulate) {
    const runtime::Range part = team.share(table_rows * cols, element_grain);
    std::fill(gradient + part.begin, gradient + part.end, T{0});
    team.barrier();
  }
  // Columns are split first, then rows by their remainder, as a few rows may be the most frequent.
  const auto pieces = (cols + column_grain<T> - 1) / column_grain<T>;
  const auto across = static_cast<int>(std::min<Index>(team.size(), pieces));
  const std::int32_t down = team.size() / across, mine = team.rank() / across;
  if (mine >= down) return;
  const runtime::Range part =
      runtime::Team::share(team.rank() % across, across, cols, column_grain<T>);
  const auto add = runtime::kernels<T>().vector->add;
  for (Index i = 0; i < upstream.rows; ++i) {
    const std::int32_t row = rows[i];
    if (row < 0 || (down > 1 && row % down != mine)) continue;
    T* const to = gradient + row * cols + part.begin;
    add(to, upstream.data + i * upstream.row_stride + part.begin, to, part.size());
  }
}

#define UNITGAIN_INSTANTIATE(T)                                                           \
  template Index embed(const runtime::Team&, const MatrixView<const T>&, const T*, Index, \
                       std::int32_t*, const MatrixView<T>&);                              \
  template void embed_gradient(const runtime::Team&, const std::int32_t*,                 \
                               const MatrixView<const T>&, T*, Index, bool)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
