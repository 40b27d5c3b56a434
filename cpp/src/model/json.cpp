#include "model/json.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "unitgain/error.hpp"

namespace unitgain::model {

namespace {

// Models in models are some ten deep.
constexpr int deepest = 200;

class Parser {
 public:
  Parser(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  Json whole() {
    Json made = value(0);
    skip_space();
    if (at_ < text_.size()) fail("something follows its end");
    return made;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw ValueError(what_ + " is no JSON: " + problem + " at byte " + std::to_string(at_));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool take(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != text_.npos) ++at_;
  }

  Json value(int depth) {
    if (depth > deepest) fail("it is nested too deeply");
    skip_space();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return {string()};
      default:
        if (take("null")) return {nullptr};
        if (take("true")) return {true};
        if (take("false")) return {false};
        if (take("NaN")) return {std::numeric_limits<double>::quiet_NaN()};
        if (take("Infinity")) return {infinity};
        if (take("-Infinity")) return {-infinity};
        return number();
    }
  }

  // The items between two brackets, each read by item().
  template <class Item>
  void items(char end, Item&& item) {
    ++at_;
    skip_space();
    if (peek() == end) {
      ++at_;
      return;
    }
    while (true) {
      item();
      skip_space();
      const char next = peek();
      if (next != ',' && next != end) fail(std::string("neither ',' nor '") + end + "' comes");
      ++at_;
      if (next == end) return;
    }
  }

  Json array(int depth) {
    Json::Array made;
    items(']', [&] { made.push_back(value(depth + 1)); });
    return {std::move(made)};
  }

  Json object(int depth) {
    Json::Object made;
    items('}', [&] {
      skip_space();
      if (peek() != '"') fail("no name comes");
      std::string name = string();
      skip_space();
      if (!take(":")) fail("no ':' comes");
      Json held = value(depth + 1);
      if (made.contains(name)) {
        throw ValueError(what_ + " has the name '" + name + "' twice in one object");
      }
      made.emplace(std::move(name), std::move(held));
    });
    return {std::move(made)};
  }

  std::string string() {
    ++at_;
    std::string made;
    while (true) {
      if (at_ >= text_.size()) fail("a text does not end");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return made;
      }
      if (c < 0x20) fail("a text has a control character");
      if (c == '\\') {
        escaped(made);
      } else if (c < 0x80) {
        made += text_[at_++];
      } else {
        utf8(made);
      }
    }
  }

  void escaped(std::string& made) {
    static constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    ++at_;
    const std::size_t letter = letters.find(peek());
    if (at_ < text_.size() && letter != letters.npos) {
      made += meanings[letter];
      ++at_;
      return;
    }
    if (peek() != 'u') fail("a text has an unknown escape");
    std::uint32_t code = four_digits();
    if (code >= 0xd800 && code < 0xe000) {  // the first of a pair, or no character
      const bool first = code < 0xdc00 && text_.substr(at_, 2) == "\\u";
      if (first) ++at_;
      const std::uint32_t second = first ? four_digits() : 0;
      if (second < 0xdc00 || second >= 0xe000) fail("a text has half of a pair of surrogates");
      code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
    }
    append_utf8(made, code);
  }

  // Those behind the 'u' that is at hand.
  std::uint32_t four_digits() {
    ++at_;
    std::uint32_t code = 0;
    const char* begin = text_.data() + std::min(at_, text_.size());
    const char* end = text_.data() + std::min(at_ + 4, text_.size());
    const auto result = std::from_chars(begin, end, code, 16);
    if (result.ptr != begin + 4) fail("an escape has no four hexadecimal digits");
    at_ += 4;
    return code;
  }

  static void append_utf8(std::string& made, std::uint32_t code) {
    const auto low = [&](int shift) { made += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      made += static_cast<char>(code);
    } else if (code < 0x800) {
      made += static_cast<char>(0xc0 | code >> 6);
      low(0);
    } else if (code < 0x10000) {
      made += static_cast<char>(0xe0 | code >> 12);
      low(6);
      low(0);
    } else {
      made += static_cast<char>(0xf0 | code >> 18);
      low(12);
      low(6);
      low(0);
    }
  }

  // A character of two bytes or more, copied if it is written as RFC 3629 says: in as few bytes as
  // can be, no surrogate, and none above U+10FFFF.
  void utf8(std::string& made) {
    const auto first = static_cast<unsigned char>(text_[at_]);
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    static constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    std::uint32_t code = first & (0xffu >> (length + 1));
    bool whole = first >= 0xc2 && first < 0xf5 && at_ + length <= text_.size();
    for (std::size_t i = 1; whole && i < length; ++i) {
      const auto next = static_cast<unsigned char>(text_[at_ + i]);
      whole = (next & 0xc0) == 0x80;
      code = code << 6 | (next & 0x3f);
    }
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if (!whole || code < least[length] || code > 0x10ffff || surrogate) fail("a text is no UTF-8");
    made.append(text_.substr(at_, length));
    at_ += length;
  }

  std::size_t digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - begin;
  }

  Json number() {
    const std::size_t begin = at_;
    take("-");
    const bool zero = peek() == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) {
      at_ = begin;
      fail("no value comes");
    }
    bool integer = true;
    if (take(".")) {
      integer = false;
      if (digits() == 0) fail("a number has no digits behind its point");
    }
    if (take("e") || take("E")) {
      integer = false;
      if (!take("+")) take("-");
      if (digits() == 0) fail("a number has no digits in its exponent");
    }
    const std::string_view written = text_.substr(begin, at_ - begin);
    if (Index found; integer && read(written, found)) return {found};
    if (std::uint64_t found; integer && read(written, found)) return {found};
    double found = 0;
    if (!read(written, found)) fail("a number is out of range");
    return {found};
  }

  template <class Number>
  static bool read(std::string_view written, Number& found) {
    const char* begin = written.data();
    const char* end = begin + written.size();
    const auto [last, error] = std::from_chars(begin, end, found);
    return error == std::errc() && last == end;
  }

  std::string_view text_;
  const std::string& what_;
  std::size_t at_ = 0;
};

template <class Type>
const Type& held(const Json& json, const std::string& what, const char* expected) {
  static constexpr const char* names[] = {"null",     "true or false", "an integer", "an integer",
                                          "a number", "a text",        "an array",   "an object"};
  if (const auto* found = std::get_if<Type>(&json.value)) return *found;
  throw ValueError(what + " is " + names[json.value.index()] + ", expected " + expected);
}

}  // namespace

Json Json::parse(std::string_view text, const std::string& what) {
  return Parser(text, what).whole();
}

const Json::Object& Json::object(const std::string& what) const {
  return held<Object>(*this, what, "an object");
}

const Json::Array& Json::array(const std::string& what) const {
  return held<Array>(*this, what, "an array");
}

const std::string& Json::text(const std::string& what) const {
  return held<std::string>(*this, what, "a text");
}

bool Json::boolean(const std::string& what) const {
  return held<bool>(*this, what, "true or false");
}

Index Json::integer(const std::string& what) const {
  return held<Index>(*this, what, "an integer below 2^63");
}

const Json* Json::find(std::string_view name) const {
  const auto* members = std::get_if<Object>(&value);
  if (members == nullptr) return nullptr;
  const auto found = members->find(name);
  return found == members->end() ? nullptr : &found->second;
}

const Json& Json::at(std::string_view name, const std::string& what) const {
  static_cast<void>(object(what));
  if (const Json* found = find(name)) return *found;
  throw ValueError(what + " has no '" + std::string(name) + "'");
}

}  // namespace unitgain::model
