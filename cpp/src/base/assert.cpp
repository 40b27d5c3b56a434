#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace unitgain::base {

void fail_assertion(const char* file, int line, const char* text) noexcept {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text);
  std::fflush(stderr);
  std::abort();
}

}  // namespace unitgain::base
