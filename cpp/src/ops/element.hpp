// A user's array element by element, whatever its type.
#pragma once

#include <cstdint>

#include "unitgain/network.hpp"

namespace unitgain::ops {

// body(zero of the type), and what it returns.
template <class Body>
auto with_element(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::float32:
      return body(float{});
    case ElementType::float64:
      return body(double{});
    case ElementType::int32:
      return body(std::int32_t{});
    case ElementType::int64:
      return body(std::int64_t{});
    case ElementType::uint8:
      break;
  }
  return body(std::uint8_t{});
}

}  // namespace unitgain::ops
