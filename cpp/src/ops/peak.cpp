#include "ops/peak.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "base/aligned_buffer.hpp"
#include "runtime/cpu.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels/peak.hpp"
#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

using Clock = std::chrono::steady_clock;

// Short enough that on a busy machine some round runs undisturbed, long enough that a barrier's
// microsecond does not count.
constexpr double round_seconds = 2e-3;
constexpr int rounds = 12;

struct Round {
  double seconds;
  int team_size;
};

// work(team, steps) on every thread at the same time, after a step that is not timed.
template <class Work>
Round run_round(int threads, Index steps, const Work& work) {
  Round round{};
  runtime::parallel(threads, [&](const runtime::Team& team) {
    work(team, 1);
    team.barrier();
    const Clock::time_point start = Clock::now();
    work(team, steps);
    team.barrier();
    if (team.rank() == 0) {
      round = {std::chrono::duration<double>(Clock::now() - start).count(), team.size()};
    }
  });
  return round;
}

// Steps a second of all threads together, in the best of the rounds.
template <class Work>
double best_rate(int threads, const Work& work) {
  Index steps = 1;
  while (run_round(threads, steps, work).seconds < round_seconds) steps *= 2;
  double best = 0;
  for (int i = 0; i < rounds; ++i) {
    const Round round = run_round(threads, steps, work);
    best = std::max(best, round.team_size * static_cast<double>(steps) / round.seconds);
  }
  return best;
}

double loop_rate(const simd::PeakLoop& loop, int threads) {
  if (loop.run == nullptr) return 0;
  const double rate =
      best_rate(threads, [&](const runtime::Team&, Index steps) { loop.run(steps); });
  return rate * static_cast<double>(loop.operations);
}

void check_threads(int threads) {
  if (threads >= 1) return;
  throw ValueError("threads must be at least 1, but it is " + std::to_string(threads));
}

}  // namespace

PeakRates peak_rates(int threads) {
  check_threads(threads);
  const simd::PeakKernels& loops = *runtime::kernel_table().peak;
  return {loop_rate(loops.multiply_adds_f32, threads), loop_rate(loops.multiply_adds_f64, threads),
          runtime::has_avx512_bf16() ? loop_rate(loops.dot_products, threads) : 0,
          loop_rate(loops.tile_products, threads)};
}

double read_rate(Index bytes, int threads) {
  check_threads(threads);
  constexpr Index piece = 128;  // floats, as the kernel wants
  const Index n = bytes / static_cast<Index>(sizeof(float)) / (piece * threads) * piece * threads;
  if (n <= 0) {
    throw ValueError("bytes must be at least 512 for each of " + std::to_string(threads) +
                     " threads, but it is " + std::to_string(bytes));
  }
  base::AlignedBuffer<float> memory(n, "a measurement of the memory's speed");
  memory.zero();
  const auto read = runtime::kernel_table().peak->read;
  const double rate = best_rate(threads, [&](const runtime::Team& team, Index steps) {
    const runtime::Range part = team.share(n, piece);
    for (Index step = 0; step < steps; ++step) read(memory.data() + part.begin, part.size());
  });
  // A step of a thread is its part.
  return rate / threads * static_cast<double>(n) * static_cast<double>(sizeof(float));
}

}  // namespace unitgain::ops
