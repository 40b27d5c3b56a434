// Isotonic regression.
#include <algorithm>
#include <numeric>

#include "unitgain/calibration.hpp"

namespace unitgain {

namespace {

struct Level {
  double value;
  double weight;
  std::size_t points;
};

}  // namespace

Steps fit_isotonic(std::span<const double> z, std::span<const double> y) {
  std::vector<std::size_t> order(z.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Not stable_sort, whose buffer comes from a deprecated function of the standard library.
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return z[a] < z[b] || (z[a] == z[b] && a < b); });
  std::vector<double> points;
  std::vector<Level> levels;
  for (std::size_t first = 0; first < order.size();) {
    const double point = z[order[first]];
    double sum = 0;
    std::size_t end = first;
    for (; end < order.size() && z[order[end]] == point; ++end) sum += y[order[end]];
    const auto weight = static_cast<double>(end - first);
    points.push_back(point);
    levels.push_back({sum / weight, weight, 1});
    while (levels.size() > 1 && levels[levels.size() - 2].value >= levels.back().value) {
      const Level above = levels.back();
      levels.pop_back();
      Level& level = levels.back();
      const double both = level.weight + above.weight;
      level.value = (level.value * level.weight + above.value * above.weight) / both;
      level.weight = both;
      level.points += above.points;
    }
    first = end;
  }
  Steps steps;
  std::size_t first = 0;
  for (const Level& level : levels) {  // the points between a step's ends lie on its line
    const std::size_t last = first + level.points - 1;
    for (std::size_t i = first; i <= last; i += std::max<std::size_t>(last - first, 1)) {
      steps.points.push_back(points[i]);
      steps.values.push_back(level.value);
    }
    first = last + 1;
  }
  return steps;
}

}  // namespace unitgain
