#include "ops/gather.hpp"

#include <cstring>
#include <type_traits>

#include "ops/element.hpp"

namespace unitgain::ops {

namespace {

template <class From, class T>
void convert_row(const std::byte* row, Index col_stride, Index cols, T* out) {
  constexpr auto size = static_cast<Index>(sizeof(From));
  if (col_stride == size) {
    if constexpr (std::is_same_v<From, T>) {
      std::memcpy(out, row, static_cast<std::size_t>(cols) * sizeof(T));
    } else {
      const auto* values = reinterpret_cast<const From*>(row);
      for (Index j = 0; j < cols; ++j) out[j] = static_cast<T>(values[j]);
    }
    return;
  }
  for (Index j = 0; j < cols; ++j) {
    out[j] = static_cast<T>(*reinterpret_cast<const From*>(row + j * col_stride));
  }
}

template <class T>
using ConvertRow = void (*)(const std::byte*, Index, Index, T*);

template <class T>
ConvertRow<T> converter(ElementType type) {
  return with_element(type,
                      [](auto zero) -> ConvertRow<T> { return convert_row<decltype(zero), T>; });
}

}  // namespace

template <class T>
void gather_rows(const runtime::Team& team, const SampleArray& array, const Index* order,
                 Index first, Index count, T* out, Index out_stride) {
  const ConvertRow<T> convert = converter<T>(array.type);
  const auto* data = static_cast<const std::byte*>(array.data);
  const runtime::Range range = team.share(count);
  for (Index i = range.begin; i < range.end; ++i) {
    const Index row = order != nullptr ? order[first + i] : first + i;
    convert(data + row * array.row_stride, array.col_stride, array.cols, out + i * out_stride);
  }
}

template void gather_rows(const runtime::Team&, const SampleArray&, const Index*, Index, Index,
                          float*, Index);
template void gather_rows(const runtime::Team&, const SampleArray&, const Index*, Index, Index,
                          double*, Index);

}  // namespace unitgain::ops
