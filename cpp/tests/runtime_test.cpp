#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <array>
#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "runtime/buffer_pool.hpp"
#include "runtime/parallel.hpp"
#include "runtime/philox.hpp"
#include "runtime/workspace.hpp"
#include "unitgain/error.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

// The known answers that Random123 ships for philox4x32-10 (Salmon et al., SC 2011).
UNITGAIN_TEST(philox_gives_the_known_answers) {
  using Words = std::array<std::uint32_t, 4>;
  CHECK((runtime::philox({0, 0, 0, 0}, {0, 0}) ==
         Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}),
        "for zeros");
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK((runtime::philox({ones, ones, ones, ones}, {ones, ones}) ==
         Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}),
        "for ones");
  CHECK((runtime::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                         {0xa4093822, 0x299f31d0}) ==
         Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}),
        "for the digits of pi");
}

UNITGAIN_TEST(shares_cover_everything_once) {
  for (const int threads : {1, 2, 3, 7}) {
    for (const Index n : {0, 1, 2, 13, 64, 1000}) {
      for (const Index grain : {1, 4, 100}) {
        Index next = 0;
        for (int rank = 0; rank < threads; ++rank) {
          const runtime::Range range = runtime::Team::share(rank, threads, n, grain);
          CHECK(range.begin == next && range.end >= range.begin, "rank " << rank << ", n = " << n);
          CHECK(range.begin % grain == 0 || range.begin == n, "rank " << rank << ", n = " << n);
          next = range.end;
        }
        CHECK(next == n, "n = " << n << ", grain = " << grain << ", threads = " << threads);
      }
    }
  }
}

// The ranks that a team of at most `threads` ran, or nothing if one of them ran twice.
static std::set<int> ranks_of_team(int threads) {
  std::array<std::atomic<int>, 16> runs = {};
  std::atomic<int> size{0};
  runtime::parallel(threads, [&](const runtime::Team& team) {
    ++runs[static_cast<std::size_t>(team.rank())];
    size = team.size();
  });
  std::set<int> ranks;
  for (int rank = 0; rank < 16; ++rank) {
    const int count = runs[static_cast<std::size_t>(rank)];
    if (count > 1) return {};
    if (count == 1) ranks.insert(rank);
  }
  return static_cast<int>(ranks.size()) == size ? ranks : std::set<int>{};
}

UNITGAIN_TEST(a_team_runs_each_member_once) {
  CHECK(ranks_of_team(1) == (std::set<int>{0}), "one thread");
  CHECK(ranks_of_team(3) == (std::set<int>{0, 1, 2}), "three threads");
}

UNITGAIN_TEST(a_barrier_shows_everybody_everything) {
  constexpr int threads = 3;
  std::vector<int> written(threads, 0);
  std::atomic<int> wrong{0};
  runtime::parallel(threads, [&](const runtime::Team& team) {
    for (int round = 1; round <= 200; ++round) {
      written[static_cast<std::size_t>(team.rank())] = round;
      team.barrier();
      for (int rank = 0; rank < team.size(); ++rank) {
        if (written[static_cast<std::size_t>(rank)] != round) ++wrong;
      }
      team.barrier();
    }
  });
  CHECK(wrong == 0, wrong << " values were not seen");
}

UNITGAIN_TEST(a_team_inside_a_team_is_the_caller_alone) {
  std::atomic<int> inner_members{0};
  runtime::parallel(2, [&](const runtime::Team&) {
    runtime::parallel(2, [&](const runtime::Team& inner) { inner_members += inner.size(); });
  });
  CHECK(inner_members == 2, "members: " << inner_members);
}

UNITGAIN_TEST(several_threads_may_have_teams_at_once) {
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&right] {
      for (int round = 0; round < 20; ++round) {
        // Workers that another caller has are not waited for.
        const std::set<int> ranks = ranks_of_team(2);
        right += ranks == std::set<int>{0} || ranks == std::set<int>{0, 1};
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(right == 80, "right: " << right);
}

#if !defined(_WIN32)

UNITGAIN_TEST(a_forked_child_has_teams_of_its_own) {
  CHECK(ranks_of_team(2).size() == 2, "the parent's team");
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(ranks_of_team(3) == std::set<int>{0, 1, 2} ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status: " << status);
  CHECK(ranks_of_team(2).size() == 2, "the parent's team, afterwards");
}

#endif

UNITGAIN_TEST(an_override_belongs_to_its_thread) {
  set_num_threads(3);
  CHECK(set_thread_override(1) == 0, "no override before");
  CHECK(num_threads() == 1, "here");
  int elsewhere = 0;
  std::thread([&elsewhere] { elsewhere = num_threads(); }).join();
  CHECK(elsewhere == 3, "elsewhere: " << elsewhere);
  CHECK(set_thread_override(0) == 1, "the override ends");
  CHECK(num_threads() == 3, "here, afterwards");
}

UNITGAIN_TEST(workspace_grows_and_is_aligned) {
  std::byte* small = runtime::thread_workspace(100, "a test");
  CHECK(reinterpret_cast<std::uintptr_t>(small) % 64 == 0, "small");
  CHECK(runtime::thread_workspace(50, "a test") == small, "what fits is kept");
  std::byte* large = runtime::thread_workspace(1 << 20, "a test");
  CHECK(reinterpret_cast<std::uintptr_t>(large) % 64 == 0, "large");
  large[(1 << 20) - 1] = std::byte{1};
}

UNITGAIN_TEST(memory_that_cannot_be_had_is_named_by_its_bytes_and_purpose) {
  constexpr Index bytes = Index{1} << 60;
  const std::string expected = "cannot allocate 1152921504606846976 bytes (1 EiB) for a test";
  const auto said = [](auto&& allocate) -> std::string {
    try {
      allocate();
    } catch (const MemoryError& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK(said([] { runtime::thread_workspace(bytes, "a test"); }) == expected, "a workspace");
  CHECK(said([] { runtime::take_buffer(bytes, "a test"); }) == expected, "a buffer");
  CHECK(said([] { base::AlignedBuffer<double>(bytes / 8, "a test"); }) == expected, "an array");
  const std::string name(1000, 'x');
  CHECK(MemoryError(5, name.c_str()).what() ==
            ("cannot allocate 5 bytes (5 bytes) for " + name).substr(0, 255),
        "a long purpose is cut");
}

}  // namespace unitgain::tests
