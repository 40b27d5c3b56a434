// Assertions of a build with the CMake option UNITGAIN_ASSERTIONS: contracts between the floors,
// which callers keep and arguments from outside never reach. In other builds they are not
// evaluated. What a user can get wrong is an exception instead, in every build.
#pragma once

#ifdef UNITGAIN_ASSERTIONS

namespace unitgain::base {

// Writes where and why to the standard error stream, and aborts.
[[noreturn]] void fail_assertion(const char* file, int line, const char* text) noexcept;

}  // namespace unitgain::base

#define UNITGAIN_ASSERT(condition, text) \
  ((condition) ? void() : ::unitgain::base::fail_assertion(__FILE__, __LINE__, text))

#else

#define UNITGAIN_ASSERT(condition, text) static_cast<void>(sizeof((condition) ? 1 : 0))

#endif
