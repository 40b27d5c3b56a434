#include "unitgain/activation.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "unitgain/error.hpp"

namespace unitgain {

namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

struct Parameter {
  const char* name;
  double value;
  Range range;
};

struct Row {
  Activation kind;
  ActivationInfo info;
};

constexpr ActivationInfo info_of(const char* name, bool saves_input, const char* formula,
                                 std::initializer_list<Parameter> parameters) {
  ActivationInfo info{name, saves_input, formula, 0, {}, {}, {}};
  for (const Parameter& parameter : parameters) {
    const int i = info.parameter_count++;
    info.parameter_names[i] = parameter.name;
    info.defaults[i] = parameter.value;
    info.ranges[i] = parameter.range;
  }
  return info;
}

#define UNITGAIN_ROW(kind, name, saves_input, formula, ...) \
  {Activation::kind, info_of(name, saves_input, formula, {__VA_ARGS__})},
constexpr Row infos[] = {UNITGAIN_ACTIVATIONS(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

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
  const char* nearest = infos[0].info.name;
  for (const auto& [kind, info] : infos) {
    if (kind == Activation::general_relu) continue;
    names += (names.empty() ? "" : ", ") + std::string(info.name);
    if (edit_distance(name, info.name) < edit_distance(name, nearest)) nearest = info.name;
  }
  std::string message = "unknown activation '" + std::string(name) + "', expected one of " + names +
                        ", swish, hard_swish";
  if (edit_distance(name, nearest) <= 2)
    message += "; did you mean '" + std::string(nearest) + "'?";
  return message;
}

}  // namespace

const ActivationInfo& activation_info(Activation kind) {
  return infos[static_cast<int>(kind)].info;
}

ActivationSpec activation_spec(std::string_view name) {
  if (name == "swish") name = "silu";
  if (name == "hard_swish") name = "hard_silu";
  for (const auto& [kind, info] : infos) {
    if (name != info.name) continue;
    return {kind, {info.defaults[0], info.defaults[1], info.defaults[2]}};
  }
  throw ValueError(unknown_name(name));
}

void check_activation(const ActivationSpec& spec) {
  const ActivationInfo& info = activation_info(spec.kind);
  for (int i = 0; i < info.parameter_count; ++i) {
    const double value = spec.parameters[i];
    const Range range = info.ranges[i];
    const bool finite = std::isfinite(value) ||
                        (range == Range::at_least_0_or_infinite && value == unbounded);
    if (finite && (range == Range::any || value > 0 || (range != Range::above_0 && value == 0))) {
      continue;
    }
    const char* expected = range == Range::any       ? ""
                           : range == Range::above_0 ? " and positive"
                                                     : " and at least 0";
    throw ValueError(std::string(info.name) + ": " + info.parameter_names[i] + " must be finite" +
                     expected + ", but it is " + std::to_string(value));
  }
}

ActivationSpec specialized(ActivationSpec spec) {
  if (spec.kind != Activation::relu && spec.kind != Activation::general_relu) return spec;
  const double* p = spec.parameters;
  const bool plain = p[0] == 0 && p[1] == unbounded && p[2] == 0;
  spec.kind = plain ? Activation::relu : Activation::general_relu;
  return spec;
}

}  // namespace unitgain
