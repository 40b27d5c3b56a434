// Tests that register themselves, and checks that count their failures. A test is a function
// without arguments; the program runs all of them, or those that its arguments choose by parts of
// their names (-part: all but those).
#pragma once

#include <cmath>
#include <sstream>
#include <string>

namespace unitgain::tests {

bool register_test(const std::string& name, void (*body)());
void report_failure(const char* file, int line, const std::string& what);

// |actual - expected| <= bound, where NaN equals NaN and an infinity equals itself.
template <class T, class Reference>
bool is_near(T actual, Reference expected, Reference bound) {
  if (std::isnan(expected) || std::isnan(actual)) return std::isnan(expected) && std::isnan(actual);
  if (std::isinf(static_cast<T>(expected))) return actual == static_cast<T>(expected);
  return std::abs(static_cast<Reference>(actual) - expected) <= bound;
}

}  // namespace unitgain::tests

#define UNITGAIN_TEST(name)                              \
  static void name();                                    \
  [[maybe_unused]] static const bool name##_registered = \
      ::unitgain::tests::register_test(#name, name);     \
  static void name()

// A test for each dtype: the body is a template over T.
#define UNITGAIN_TYPED_TEST(name)                                       \
  template <class T>                                                    \
  static void name();                                                   \
  [[maybe_unused]] static const bool name##_registered =                \
      ::unitgain::tests::register_test(#name "<float>", name<float>) && \
      ::unitgain::tests::register_test(#name "<double>", name<double>); \
  template <class T>                                                    \
  static void name()

// `context` is what to print after the values: "n = " << n << ", i = " << i.
#define CHECK(condition, context)                                        \
  do {                                                                   \
    if (!(condition)) {                                                  \
      std::ostringstream text;                                           \
      text << #condition << " is false, " << context; /* NOLINT */       \
      ::unitgain::tests::report_failure(__FILE__, __LINE__, text.str()); \
    }                                                                    \
  } while (false)

#define CHECK_NEAR(actual, expected, bound, context)                                             \
  do {                                                                                           \
    const auto actual_value = (actual);                                                          \
    const auto expected_value = (expected);                                                      \
    const decltype(expected_value) bound_value = (bound);                                        \
    if (!::unitgain::tests::is_near(actual_value, expected_value, bound_value)) {                \
      std::ostringstream text;                                                                   \
      text.precision(20);                                                                        \
      text << #actual << " is " << actual_value << ", expected " << expected_value << " within " \
           << bound_value << ", " << context;                                                    \
      ::unitgain::tests::report_failure(__FILE__, __LINE__, text.str());                         \
    }                                                                                            \
  } while (false)
