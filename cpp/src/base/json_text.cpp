#include "base/json_text.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace unitgain::base {

std::string json(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      made.append({'\\', c});
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[7];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      made += code;
    } else {
      made += c;
    }
  }
  return made + '"';
}

std::string json(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  char digits[32];
  std::string text(digits, std::to_chars(std::begin(digits), std::end(digits), value).ptr);
  // So that a reader takes no double for an integer.
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

}  // namespace unitgain::base
