#include "unitgain/activation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "spec/rows.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

struct Row {
  Activation kind;
  ActivationInfo info;
};

constexpr Row infos[activation_count] = {
    {Activation::linear, {"linear", false, 0, {}, {}}},
    {Activation::relu,
     {"relu", false, 3, {"negative_slope", "max_value", "threshold"}, {0.0, unbounded, 0.0}}},
    {Activation::leaky_relu, {"leaky_relu", false, 1, {"negative_slope"}, {0.2}}},
    {Activation::elu, {"elu", false, 1, {"alpha"}, {1.0}}},
    {Activation::selu, {"selu", false, 0, {}, {}}},
    {Activation::sigmoid, {"sigmoid", false, 0, {}, {}}},
    {Activation::tanh, {"tanh", false, 0, {}, {}}},
    {Activation::silu, {"silu", true, 0, {}, {}}},
    {Activation::step, {"step", false, 0, {}, {}}},
    {Activation::general_relu,
     {"relu", true, 3, {"negative_slope", "max_value", "threshold"}, {0.0, unbounded, 0.0}}},
    {Activation::relu6, {"relu6", false, 0, {}, {}}},
    {Activation::celu, {"celu", false, 1, {"alpha"}, {1.0}}},
    {Activation::gelu, {"gelu", true, 0, {}, {}}},
    {Activation::gelu_tanh, {"gelu_tanh", true, 0, {}, {}}},
    {Activation::hard_sigmoid, {"hard_sigmoid", false, 0, {}, {}}},
    {Activation::softplus, {"softplus", true, 0, {}, {}}},
    {Activation::log_sigmoid, {"log_sigmoid", true, 0, {}, {}}},
    {Activation::softsign, {"softsign", false, 0, {}, {}}},
    {Activation::hard_silu, {"hard_silu", true, 0, {}, {}}},
    {Activation::mish, {"mish", true, 0, {}, {}}},
    {Activation::exponential, {"exponential", false, 0, {}, {}}},
};
static_assert(spec::in_order(infos));

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
