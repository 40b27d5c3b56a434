#include "unitgain/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "unitgain/error.hpp"

namespace unitgain {

namespace {

double half_cosine(double position) {
  return 0.5 * (1 + std::cos(std::numbers::pi * position));
}

double polynomial(const ScheduleSpec& s, double step) {
  double steps = s.steps;
  if (s.cycle) {
    steps *= step == 0 ? 1 : std::ceil(step / steps);
  } else {
    step = std::min(step, steps);
  }
  return (s.initial - s.end) * std::pow(1 - step / steps, s.power) + s.end;
}

double cosine(const ScheduleSpec& s, double step) {
  double from = s.initial;
  if (s.warmup_steps > 0) {
    if (step < s.warmup_steps) {
      return s.initial + (s.warmup_target - s.initial) * step / s.warmup_steps;
    }
    step -= s.warmup_steps;
    from = s.warmup_target;
  }
  return from * ((1 - s.end) * half_cosine(std::min(step, s.steps) / s.steps) + s.end);
}

// The n-th period begins where those before it, a geometric series, end.
double restarts(const ScheduleSpec& s, double step) {
  double position = step / s.steps, period = 0;
  if (s.times_steps == 1) {
    period = std::floor(position);
    position -= period;
  } else {
    const auto begin = [&](double n) {
      return (1 - std::pow(s.times_steps, n)) / (1 - s.times_steps);
    };
    period = std::floor(std::log(1 - position * (1 - s.times_steps)) / std::log(s.times_steps));
    if (begin(period + 1) <= position) ++period;  // what rounding has lost
    position = (position - begin(period)) / std::pow(s.times_steps, period);
  }
  const double height = std::pow(s.times_rate, period);
  return s.initial * ((1 - s.end) * height * half_cosine(position) + s.end);
}

double between(const ScheduleSpec& s, const std::vector<double>& values, double step) {
  double begin = 0;
  for (std::size_t i = 0; i < s.boundaries.size(); ++i) {
    const double end = s.boundaries[i];
    if (step <= end) {
      const double position = end > begin ? (step - begin) / (end - begin) : 1;
      const double share = s.linear ? 1 - position : half_cosine(position);
      return values[i + 1] + (values[i] - values[i + 1]) * share;
    }
    begin = end;
  }
  return values.back();
}

}  // namespace

void check_schedule(const ScheduleSpec& s) {
  if (!(s.steps > 0)) throw ValueError("a schedule needs at least one step");
  const bool listed = s.kind == ScheduleKind::piecewise || s.kind == ScheduleKind::phases;
  if (listed && s.values.size() != s.boundaries.size() + 1) {
    throw ValueError("a schedule needs one value more than boundaries: there are " +
                     std::to_string(s.values.size()) + " and " +
                     std::to_string(s.boundaries.size()));
  }
  if (!std::is_sorted(s.boundaries.begin(), s.boundaries.end())) {
    throw ValueError("the boundaries of a schedule must ascend");
  }
  if (!s.momenta.empty() && s.momenta.size() != s.values.size()) {
    throw ValueError("a schedule needs as many momenta as values");
  }
  if (s.kind == ScheduleKind::custom && !s.function) {
    throw ValueError("a schedule of one's own needs a function");
  }
}

double scheduled_rate(const ScheduleSpec& s, std::int64_t at) {
  const auto step = static_cast<double>(at);
  const double passed = s.staircase ? std::floor(step / s.steps) : step / s.steps;
  switch (s.kind) {
    case ScheduleKind::none:
      return s.initial;
    case ScheduleKind::exponential:
      return s.initial * std::pow(s.factor, passed);
    case ScheduleKind::inverse_time:
      return s.initial / (1 + s.factor * passed);
    case ScheduleKind::piecewise: {
      const auto above = std::lower_bound(s.boundaries.begin(), s.boundaries.end(), step);
      return s.values[static_cast<std::size_t>(above - s.boundaries.begin())];
    }
    case ScheduleKind::polynomial:
      return polynomial(s, step);
    case ScheduleKind::cosine:
      return cosine(s, step);
    case ScheduleKind::restarts:
      return restarts(s, step);
    case ScheduleKind::phases:
      return between(s, s.values, step);
    case ScheduleKind::custom:
      return s.function(at);
  }
  return s.initial;
}

double scheduled_momentum(const ScheduleSpec& s, std::int64_t step) {
  return between(s, s.momenta, static_cast<double>(step));
}

}  // namespace unitgain
