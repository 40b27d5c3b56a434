// Values as JSON. Doubles have all their digits; those that are not finite are "inf", "-inf" and
// "nan".
#pragma once

#include <concepts>
#include <string>

namespace unitgain::base {

// In quotes. What is not ASCII stays the UTF-8 that it is.
std::string json(const std::string& text);
std::string json(double value);
std::string json(std::integral auto value) {
  if constexpr (std::same_as<decltype(value), bool>) return value ? "true" : "false";
  return std::to_string(value);
}

// Each item as write() has it.
template <class Items, class Write>
std::string json_array(const Items& items, Write&& write) {
  std::string made;
  for (const auto& item : items) made.append(made.empty() ? "" : ",").append(write(item));
  return "[" + made + "]";
}
template <class Items>
std::string json_array(const Items& items) {
  return json_array(items, [](const auto& item) { return json(item); });
}

// A map's values by its keys.
template <class Map, class Write>
std::string json_object(const Map& values, Write&& write) {
  std::string made;
  for (const auto& [name, value] : values) {
    made.append(made.empty() ? "" : ",").append(json(name)).append(":").append(write(value));
  }
  return "{" + made + "}";
}
template <class Map>
std::string json_object(const Map& values) {
  return json_object(values, [](const auto& value) { return json(value); });
}

}  // namespace unitgain::base
