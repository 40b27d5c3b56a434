#include "runtime/contracts/area.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace unitgain::runtime {

namespace {

bool is_empty(const Area& area) {
  return area.rows == 0 || area.width == 0;
}

// The same area with a stride of at least 0, and one row where all are the same.
Area normal(Area area) {
  if (area.stride < 0) {
    area.data += (area.rows - 1) * area.stride;
    area.stride = -area.stride;
  }
  if (area.stride == 0) area.rows = 1;
  return area;
}

bool share_bytes(Area a, Area b) {
  if (is_empty(a) || is_empty(b)) return false;
  a = normal(a);
  b = normal(b);
  if (a.rows > b.rows) std::swap(a, b);
  const auto a_begin = reinterpret_cast<std::intptr_t>(a.data);
  const auto b_begin = reinterpret_cast<std::intptr_t>(b.data);
  const std::intptr_t a_end = a_begin + (a.rows - 1) * a.stride + a.width;
  const std::intptr_t b_end = b_begin + (b.rows - 1) * b.stride + b.width;
  if (a_end <= b_begin || b_end <= a_begin) return false;
  for (Index i = 0; i < a.rows; ++i) {
    // The last row of b that begins before this one of a ends: if any reaches into it, this does.
    const std::intptr_t from = a_begin + i * a.stride, to = from + a.width;
    if (to <= b_begin || from >= b_end) continue;
    const Index last = b.stride == 0 ? 0 : std::min(b.rows - 1, (to - 1 - b_begin) / b.stride);
    if (b_begin + last * b.stride + b.width > from) return true;
  }
  return false;
}

bool is_same(const Area& a, const Area& b) {
  return a.data == b.data && (a.stride == b.stride || std::min(a.rows, b.rows) <= 1);
}

}  // namespace

bool are_there(std::initializer_list<Area> areas) {
  return std::all_of(areas.begin(), areas.end(),
                     [](const Area& area) { return area.data != nullptr || is_empty(area); });
}

bool is_apart(const Area& out, std::initializer_list<Area> inputs) {
  return are_there({out}) && are_there(inputs) &&
         std::none_of(inputs.begin(), inputs.end(),
                      [&](const Area& input) { return share_bytes(out, input); });
}

bool is_in_place_or_apart(const Area& out, std::initializer_list<Area> inputs) {
  return are_there({out}) && are_there(inputs) &&
         std::none_of(inputs.begin(), inputs.end(), [&](const Area& input) {
           return !is_same(out, input) && share_bytes(out, input);
         });
}

}  // namespace unitgain::runtime
