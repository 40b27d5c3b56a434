#include "unitgain/activation.hpp"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

#include "spec/unknown_name.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

struct Parameter {
  const char* name;
  double value;
  Range range;
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
  info_of(name, saves_input, formula, {__VA_ARGS__}),
constexpr ActivationInfo infos[] = {UNITGAIN_ACTIVATIONS(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

}  // namespace

const ActivationInfo& activation_info(Activation kind) {
  return infos[static_cast<int>(kind)];
}

std::span<const ActivationInfo> activation_infos() {
  return infos;
}

ActivationSpec activation_spec(std::string_view name) {
  if (name == "swish") name = "silu";
  if (name == "hard_swish") name = "hard_silu";
  for (const ActivationInfo& info : infos) {
    if (name != info.name) continue;
    return {static_cast<Activation>(&info - infos),
            {info.defaults[0], info.defaults[1], info.defaults[2]}};
  }
  static constexpr std::string_view names[] = {
#define UNITGAIN_NAME(kind, name, ...) name,
      UNITGAIN_ACTIVATIONS(UNITGAIN_NAME)
#undef UNITGAIN_NAME
          "swish",
      "hard_swish"};
  throw ValueError(spec::unknown_name("activation", name, names));
}

void check_activation(const ActivationSpec& spec) {
  const ActivationInfo& info = activation_info(spec.kind);
  for (int i = 0; i < info.parameter_count; ++i) {
    const double value = spec.parameters[i];
    const Range range = info.ranges[i];
    const bool finite =
        std::isfinite(value) || (range == Range::at_least_0_or_infinite && value == unbounded);
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
