#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

struct Test {
  std::string name;
  void (*body)();
};

std::vector<Test>& registry() {
  static std::vector<Test> tests;
  return tests;
}

int failures_of_this_test = 0;

// Whether the arguments ask for a test: those with a minus are parts of names to leave out, the
// others parts of names to run.
bool is_wanted(const std::string& name, int argument_count, char** arguments) {
  bool all = true;
  bool chosen = false;
  for (int i = 1; i < argument_count; ++i) {
    const bool excludes = arguments[i][0] == '-';
    const bool matches = name.find(arguments[i] + (excludes ? 1 : 0)) != std::string::npos;
    if (excludes && matches) return false;
    if (!excludes) {
      all = false;
      chosen = chosen || matches;
    }
  }
  return all || chosen;
}

int run(int argument_count, char** arguments) {
  int failed = 0;
  int passed = 0;
  for (const Test& test : registry()) {
    if (!is_wanted(test.name, argument_count, arguments)) continue;
    failures_of_this_test = 0;
    test.body();
    (failures_of_this_test > 0 ? failed : passed) += 1;
    if (failures_of_this_test > 0) {
      std::printf("%s: %d checks failed\n", test.name.c_str(), failures_of_this_test);
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace

bool register_test(const std::string& name, void (*body)()) {
  registry().push_back({name, body});
  return true;
}

void report_failure(const char* file, int line, const std::string& what) {
  constexpr int shown = 5;
  if (++failures_of_this_test <= shown) {
    std::printf("%s:%d: %s\n", file, line, what.c_str());
    std::fflush(stdout);
  }
}

}  // namespace unitgain::tests

int main(int argument_count, char** arguments) {
  constexpr int skipped = 77;  // what the build tells ctest to count as skipped
  try {
    std::printf("instruction set: %s\n", unitgain::active_variant().c_str());
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return std::string(error.what()).find("lacks") != std::string::npos ? skipped : 1;
  }
  return unitgain::tests::run(argument_count, arguments);
}
