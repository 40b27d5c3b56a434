// Learning rates that depend on the step.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace unitgain {

enum class ScheduleKind {
  none,          // the optimizer's learning rate as it is set
  exponential,   // initial * factor^(step / steps)
  inverse_time,  // initial / (1 + factor * step / steps)
  piecewise,     // values[i], i the number of boundaries below the step
  polynomial,    // from initial to end in `steps` by (1 - step / steps)^power
  cosine,        // to initial * end in `steps` along half a cosine, after a warmup
  restarts,      // the same again and again, each times_steps as long, from times_rate as high
  phases,        // between values at boundaries, and of the momentum between `momenta`
  custom,        // function(step)
};

// Names as in Keras are python/unitgain/optimizers/schedules.py's, with the formulas.
struct ScheduleSpec {
  ScheduleKind kind = ScheduleKind::none;
  double initial = 0;
  double steps = 1;
  double factor = 0;
  bool staircase = false;  // of exponential and inverse_time: whole multiples of `steps` alone
  double end = 0;          // of cosine and restarts a part of the rate that they begin from
  double power = 1;
  bool cycle = false;  // of polynomial: begins again in place of staying at the end
  double warmup_steps = 0, warmup_target = 0;  // of cosine, which then begins from the target
  double times_steps = 2, times_rate = 1;
  std::vector<double> boundaries;  // ascending; of phases one less than values
  std::vector<double> values;
  std::vector<double> momenta;  // of phases; none: the momentum stays as it is
  bool linear = false;          // of phases: straight lines in place of half cosines
  std::function<double(std::int64_t step)> function;
};

// Throws ValueError for a schedule that has no value at some step.
void check_schedule(const ScheduleSpec& schedule);

// The learning rate of a step, counted from 0, and the momentum (phases with momenta alone).
double scheduled_rate(const ScheduleSpec& schedule, std::int64_t step);
double scheduled_momentum(const ScheduleSpec& schedule, std::int64_t step);

}  // namespace unitgain
