#include "unitgain/activation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "unitgain/error.hpp"

namespace unitgain {

namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

// In the order of the enumeration.
constexpr ActivationInfo infos[activation_count] = {
    {"linear", false, 0, {}, {}},
    {"relu", false, 3, {"negative_slope", "max_value", "threshold"}, {0.0, unbounded, 0.0}},
    {"leaky_relu", false, 1, {"negative_slope"}, {0.2}},
    {"elu", false, 1, {"alpha"}, {1.0}},
    {"selu", false, 0, {}, {}},
    {"sigmoid", false, 0, {}, {}},
    {"tanh", false, 0, {}, {}},
    {"silu", true, 0, {}, {}},
    {"step", false, 0, {}, {}},
    {"relu", true, 3, {"negative_slope", "max_value", "threshold"}, {0.0, unbounded, 0.0}},
    {"relu6", false, 0, {}, {}},
    {"celu", false, 1, {"alpha"}, {1.0}},
    {"gelu", true, 0, {}, {}},
    {"gelu_tanh", true, 0, {}, {}},
    {"hard_sigmoid", false, 0, {}, {}},
    {"softplus", true, 0, {}, {}},
    {"log_sigmoid", true, 0, {}, {}},
    {"softsign", false, 0, {}, {}},
    {"hard_silu", true, 0, {}, {}},
    {"mish", true, 0, {}, {}},
    {"exponential", false, 0, {}, {}},
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
    if (&info == &infos[static_cast<int>(Activation::general_relu)]) continue;
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
  return infos[static_cast<int>(kind)];
}

ActivationSpec activation_spec(std::string_view name) {
  if (name == "swish") name = "silu";
  if (name == "hard_swish") name = "hard_silu";
  for (int i = 0; i < activation_count; ++i) {
    if (name != infos[i].name) continue;
    const double* defaults = infos[i].defaults;
    return {static_cast<Activation>(i), {defaults[0], defaults[1], defaults[2]}};
  }
  throw ValueError(unknown_name(name));
}

void check_activation(const ActivationSpec& spec) {
  const ActivationInfo& info = activation_info(spec.kind);
  const bool general = spec.kind == Activation::relu || spec.kind == Activation::general_relu;
  for (int i = 0; i < info.parameter_count; ++i) {
    const double value = spec.parameters[i];
    const bool may_be_infinite = general && i == 1;
    const bool finite = std::isfinite(value) || (may_be_infinite && value == unbounded);
    const bool may_be_negative = general && i == 2;
    const bool may_be_zero = spec.kind != Activation::celu;
    if (finite && (value > 0 || (may_be_zero && value == 0) || may_be_negative)) continue;
    const char* expected = may_be_negative ? "" : may_be_zero ? " and at least 0" : " and positive";
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
