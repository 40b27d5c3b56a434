#include "unitgain/noise.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "spec/unknown_name.hpp"
#include "unitgain/error.hpp"
#include "unitgain/rows/activation.hpp"

namespace unitgain {

namespace {

struct Row {
  Noise kind;
  const char* name;
  int parameters;
};

#define UNITGAIN_ROW(kind, parameters) {Noise::kind, #kind, parameters},
constexpr Row rows[] = {UNITGAIN_NOISES(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

}  // namespace

const char* noise_name(Noise kind) {
  return rows[static_cast<int>(kind)].name;
}

int noise_parameters(Noise kind) {
  return rows[static_cast<int>(kind)].parameters;
}

void check_noise(const NoiseSpec& spec) {
  const double first = spec.parameters[0], second = spec.parameters[1];
  const auto refuse = [](const std::string& what, double value) {
    throw ValueError(what + ", but it is " + std::to_string(value));
  };
  switch (spec.kind) {
    case Noise::dropout:
    case Noise::alpha_dropout:
    case Noise::gaussian_dropout:
      if (!(first >= 0 && first < 1)) refuse("rate must be at least 0 and less than 1", first);
      break;
    case Noise::gaussian_noise:
      if (!(first >= 0 && std::isfinite(first))) {
        refuse("stddev must be finite and at least 0", first);
      }
      break;
    case Noise::rrelu:
      if (!(first >= 0)) refuse("lower must be at least 0", first);
      if (!(second >= first && std::isfinite(second))) {
        refuse("upper must be finite and at least lower", second);
      }
      break;
  }
}

NoiseSpec noise_spec(std::string_view name, std::span<const double> parameters) {
  for (const Row& row : rows) {
    if (name != row.name) continue;
    NoiseSpec spec = {row.kind, {}};
    if (std::ssize(parameters) != row.parameters) {
      throw ValueError(std::string(name) + " takes " + std::to_string(row.parameters) +
                       " parameters, but got " + std::to_string(parameters.size()));
    }
    std::copy(parameters.begin(), parameters.end(), spec.parameters);
    check_noise(spec);
    return spec;
  }
  static constexpr std::string_view names[] = {
#define UNITGAIN_NAME(kind, ...) #kind,
      UNITGAIN_NOISES(UNITGAIN_NAME)
#undef UNITGAIN_NAME
  };
  throw ValueError(spec::unknown_name("noise", name, names));
}

ActivationSpec mean_activation(const NoiseSpec& spec) {
  if (spec.kind != Noise::rrelu) return {Activation::linear, {}};
  return {Activation::leaky_relu, {(spec.parameters[0] + spec.parameters[1]) / 2}};
}

}  // namespace unitgain
