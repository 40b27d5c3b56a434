// JSON, read strictly: what a file holds is not to be trusted.
//
// A reader of our own, because none is to be had wherever the library is built: `pip install .` has
// the package index alone, the build without Python the system's packages alone. It also refuses
// what the usual ones take in silence: a name twice in an object, and nesting without end.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain::model {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;
  // An integer that fits neither is a double.
  using Value =
      std::variant<std::nullptr_t, bool, Index, std::uint64_t, double, std::string, Array, Object>;

  // The value of a text: RFC 8259, with NaN, Infinity and -Infinity as Python writes them. `what`
  // names it in errors. Throws ValueError, which says at which byte.
  static Json parse(std::string_view text, const std::string& what);

  // The value as one of those types; ValueError, which calls it `what`, if it is none.
  const Object& object(const std::string& what) const;
  const Array& array(const std::string& what) const;
  const std::string& text(const std::string& what) const;
  bool boolean(const std::string& what) const;
  Index integer(const std::string& what) const;

  // The member of an object; null if there is none, or this is no object.
  const Json* find(std::string_view name) const;
  // The same, for one that must be there.
  const Json& at(std::string_view name, const std::string& what) const;

  Value value = nullptr;
};

}  // namespace unitgain::model
