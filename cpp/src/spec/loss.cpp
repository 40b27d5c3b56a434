#include "unitgain/loss.hpp"

#include <cmath>
#include <string>

#include "spec/unknown_name.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace {

struct Row {
  LossKind kind;
  LossInfo info;
};

#define UNITGAIN_ROW(kind, targets) \
  {LossKind::kind, {#kind, targets == of_labels, targets == of_signs}},
constexpr Row infos[] = {UNITGAIN_LOSSES(UNITGAIN_ROW) UNITGAIN_CUSTOM_LOSSES(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

// The range of a parameter, which is finite besides.
struct Range {
  bool (*holds)(double value);
  const char* what;
};
constexpr Range any = {[](double) { return true; }, ""};
constexpr Range from_0_to_1 = {[](double x) { return x >= 0 && x <= 1; }, "between 0 and 1"};
constexpr Range between_0_and_1 = {[](double x) { return x > 0 && x < 1; }, "between 0 and 1"};
constexpr Range above_0 = {[](double x) { return x > 0; }, "greater than 0"};
constexpr Range at_least_0 = {[](double x) { return x >= 0; }, "at least 0"};

void check(const char* name, double value, const Range& range) {
  if (std::isfinite(value) && range.holds(value)) return;
  throw ValueError(std::string(name) + " must be " + range.what + ", but it is " +
                   std::to_string(value));
}

}  // namespace

const LossInfo& loss_info(LossKind kind) {
  return infos[static_cast<int>(kind)].info;
}

bool has_kernel(const LossSpec& spec) {
  return static_cast<int>(spec.kind) < kernel_loss_count;
}

LossSpec loss_spec(LossKind kind) {
  LossSpec spec{};
  spec.kind = kind;
#define UNITGAIN_DEFAULT(type, name, value, ...) spec.name = value;
  UNITGAIN_LOSS_PARAMETERS(UNITGAIN_DEFAULT)
#undef UNITGAIN_DEFAULT
  return spec;
}

LossSpec loss_spec(std::string_view name) {
  for (const auto& [kind, info] : infos) {
    if (name == info.name) return loss_spec(kind);
  }
  static constexpr std::string_view names[] = {
#define UNITGAIN_NAME(kind, ...) #kind,
      UNITGAIN_LOSSES(UNITGAIN_NAME) UNITGAIN_CUSTOM_LOSSES(UNITGAIN_NAME)
#undef UNITGAIN_NAME
  };
  throw ValueError(spec::unknown_name("loss", name, names));
}

Index target_cols(const LossSpec& spec, Index output_cols) {
  if (spec.kind == LossKind::gaussian_nll) return output_cols / 2;
  return spec.kind == LossKind::custom_of_column ? 1 : output_cols;
}

void check_loss(const LossSpec& spec, Index output_cols) {
#define UNITGAIN_CHECK(type, name, value, range) \
  check(#name, static_cast<double>(spec.name), range);
  UNITGAIN_LOSS_PARAMETERS(UNITGAIN_CHECK)
#undef UNITGAIN_CHECK
  if (output_cols < 1) throw ValueError("the outputs have no values");
  if (spec.kind == LossKind::gaussian_nll && output_cols % 2 != 0) {
    throw ValueError(
        "gaussian_nll takes means and as many variances, but the outputs' last axis has " +
        std::to_string(output_cols) + " values");
  }
}

}  // namespace unitgain
