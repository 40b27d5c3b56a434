// Tables with a row for each value of an enumeration, which the row names.
#pragma once

#include <cstddef>

namespace unitgain::spec {

// Whether each value has its row, in the order of the enumeration: a row that is missing, swapped
// or too many does not compile where this is asserted.
template <class Row, std::size_t rows>
consteval bool in_order(const Row (&table)[rows]) {
  for (std::size_t i = 0; i < rows; ++i) {
    if (static_cast<std::size_t>(table[i].kind) != i) return false;
  }
  return true;
}

}  // namespace unitgain::spec
