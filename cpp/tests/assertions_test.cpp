// Assertions in a build with UNITGAIN_ASSERTIONS: a call that breaks a kernel's contract ends the
// process, here that of a child, and says where and why.
#if defined(UNITGAIN_ASSERTIONS) && !defined(_WIN32)

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "check.hpp"
#include "runtime/contracts/area.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::tests {

namespace {

struct End {
  int status;
  std::string text;  // of the standard error stream
};

template <class Body>
End end_of_child(Body&& body) {
  int ends[2];
  if (pipe(ends) != 0) return {0, "no pipe"};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    body();
    _exit(0);
  }
  close(ends[1]);
  End end = {0, ""};
  char buffer[256];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;) {
    end.text.append(buffer, static_cast<std::size_t>(count));
  }
  close(ends[0]);
  waitpid(child, &end.status, 0);
  return end;
}

template <class Body>
void check_aborts(const char* reason, Body&& body) {
  const End end = end_of_child(body);
  CHECK(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT, "status: " << end.status);
  CHECK(end.text.find(reason) != std::string::npos, "it says: " << end.text);
  CHECK(end.text.find(".cpp:") != std::string::npos, "it says no place: " << end.text);
}

}  // namespace

UNITGAIN_TYPED_TEST(a_broken_contract_aborts_a_forked_child) {
  T x[8] = {};
  const auto& vector = *runtime::kernels<T>().vector;
  const auto& gemm = *runtime::kernels<T>().gemm;
  check_aborts("vector.axpy: y overlaps x", [&] { vector.axpy(T(1), x, x + 1, 4); });
  check_aborts("vector.dot: x or y is null", [&] { vector.dot(x, nullptr, 4); });
  check_aborts("gemm.tile: larger than the micro-tile", [&] {
    gemm.tile(0, x, 1, 1, {x, 1, nullptr, nullptr, 0}, T(1), T(0), x, 1, gemm.mr + 1, 1);
  });
  const End kept = end_of_child([&] {
    vector.axpy(T(1), x, x + 4, 4);
    vector.add(x, x + 4, x, 4);
    vector.dot(nullptr, nullptr, 0);
  });
  CHECK(kept.status == 0 && kept.text.empty(), "contracts that are kept: " << kept.text);
}

UNITGAIN_TEST(areas_share_bytes_where_their_rows_do) {
  using runtime::is_apart, runtime::is_in_place_or_apart, runtime::matrix, runtime::vector;
  const float x[64] = {};
  const auto left = matrix(x, 8, 4, 8), right = matrix(x + 4, 8, 4, 8);
  CHECK(is_apart(left, {right}) && is_apart(right, {left}), "halves of a matrix");
  CHECK(!is_apart(left, {matrix(x + 3, 8, 4, 8)}), "a column in common");
  CHECK(!is_apart(vector(x + 30, 4), {left}) && is_apart(vector(x + 28, 4), {left}), "a vector");
  CHECK(!is_apart(matrix(x + 56, 8, 4, -8), {left}), "from the last row on");
  CHECK(!is_apart(matrix(x, 2, 8, 1, 8), {matrix(x + 57, 1, 1, 0)}), "a transposed matrix");
  CHECK(is_apart(matrix(x, 2, 8, 1, 8), {matrix(x + 58, 1, 1, 0)}), "beside a transposed matrix");
  CHECK(is_in_place_or_apart(left, {left, right}), "in place");
  CHECK(!is_in_place_or_apart(left, {matrix(x + 1, 8, 4, 8)}), "shifted");
}

}  // namespace unitgain::tests

#endif
