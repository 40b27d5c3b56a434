#include "unitgain/activation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "unitgain/error.hpp"

namespace unitgain {

namespace {

// In the order of the enumeration.
constexpr ActivationInfo infos[activation_count] = {
    {"linear", false, 0, {}, {}},
    {"relu", false, 0, {}, {}},
    {"leaky_relu", false, 1, {"negative_slope"}, {0.2}},
    {"elu", false, 1, {"alpha"}, {1.0}},
    {"selu", false, 0, {}, {}},
    {"sigmoid", false, 0, {}, {}},
    {"tanh", false, 0, {}, {}},
    {"silu", true, 0, {}, {}},
};

// Levenshtein's distance: the least number of insertions, deletions and substitutions.
int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::string unknown_name(std::string_view name) {
  std::string names;
  const char* nearest = infos[0].name;
  for (const ActivationInfo& info : infos) {
    names += (names.empty() ? "" : ", ") + std::string(info.name);
    if (edit_distance(name, info.name) < edit_distance(name, nearest)) nearest = info.name;
  }
  std::string message =
      "unknown activation '" + std::string(name) + "', expected one of " + names + ", swish";
  if (edit_distance(name, nearest) <= 2)
    message += "; did you mean '" + std::string(nearest) + "'?";
  return message;
}

}  // namespace

const ActivationInfo& activation_info(Activation kind) {
  return infos[static_cast<int>(kind)];
}

ActivationSpec activation_spec(std::string_view name) {
  if (name == "swish") name = "silu";
  for (int i = 0; i < activation_count; ++i) {
    if (name != infos[i].name) continue;
    return {static_cast<Activation>(i), {infos[i].defaults[0], infos[i].defaults[1]}};
  }
  throw ValueError(unknown_name(name));
}

void check_activation(const ActivationSpec& spec) {
  const ActivationInfo& info = activation_info(spec.kind);
  for (int i = 0; i < info.parameter_count; ++i) {
    const double value = spec.parameters[i];
    if (std::isfinite(value) && value >= 0) continue;
    throw ValueError(std::string(info.name) + ": " + info.parameter_names[i] +
                     " must be finite and at least 0, but it is " + std::to_string(value));
  }
}

}  // namespace unitgain
