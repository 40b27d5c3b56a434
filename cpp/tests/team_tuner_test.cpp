// The choice of a team's size by measurement.
#include "nn/team_tuner.hpp"

#include <functional>

#include "check.hpp"

using namespace unitgain;

// Lets the tuner choose for `runs` runs that take time(threads); returns how many took `threads`.
static int count_choices(nn::TeamTuner& tuner, int runs, int threads,
                         const std::function<double(int)>& time) {
  int count = 0;
  for (int run = 0; run < runs; ++run) {
    const int chosen = tuner.choose();
    count += chosen == threads;
    tuner.record(chosen, time(chosen));
  }
  return count;
}

UNITGAIN_TEST(a_tuner_finds_the_fastest_size) {
  constexpr int runs = 2000;
  for (const int fastest : {1, 2, 4, 6}) {
    nn::TeamTuner tuner(1e6, 6);  // sizes 1, 2, 4, 6
    const auto time = [fastest](int threads) { return threads == fastest ? 1e5 : 3e5; };
    const auto slope =
        [&](int threads) {  // faster towards the fastest, so that neighbours lead to it
          return time(threads) + 1e4 * (threads > fastest ? threads - fastest : fastest - threads);
        };
    count_choices(tuner, runs, fastest, slope);
    const int later = count_choices(tuner, runs, fastest, slope);
    CHECK(later > runs * 9 / 10, "fastest = " << fastest << ", chosen: " << later);
    CHECK(later < runs, "it should go on trying neighbours");
  }
}

// Other programs come and want the CPUs: what was slow for long must be tried again at once.
UNITGAIN_TEST(a_tuner_follows_a_change) {
  nn::TeamTuner tuner(1e6, 2);
  count_choices(tuner, 20000, 2, [](int threads) { return threads == 2 ? 1e5 : 2e5; });
  const int ones =
      count_choices(tuner, 500, 1, [](int threads) { return threads == 2 ? 9e5 : 2e5; });
  CHECK(ones > 400, "runs on one thread: " << ones);
}

// A size that has not run for a while starts slowly: its workers sleep.
UNITGAIN_TEST(a_tuner_does_not_blame_a_size_for_its_first_run) {
  nn::TeamTuner tuner(1e6, 2);
  int before = 1;
  const auto time = [&](int threads) {
    const double woken = threads > before ? 1e6 : 0;
    before = threads;
    return (threads == 2 ? 1e5 : 2e5) + woken;
  };
  const int twos = count_choices(tuner, 1000, 2, time);
  CHECK(twos > 800, "runs on two threads: " << twos);
}

UNITGAIN_TEST(a_tuner_does_not_try_where_the_answer_is_known) {
  nn::TeamTuner small(1e3, 8), large(1e9, 8), alone(1e6, 1);
  CHECK(!small.tries() && small.choose() == 1, "small work runs on the caller");
  CHECK(!large.tries() && large.choose() == 8, "large work takes all threads");
  CHECK(!alone.tries() && alone.choose() == 1, "one thread is all there is");
}
