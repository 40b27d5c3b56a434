#include "unitgain/loss.hpp"

#include <cmath>
#include <string>

#include "spec/rows.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace {

struct Row {
  LossKind kind;
  LossInfo info;
};

constexpr Row infos[loss_count] = {
    {LossKind::sparse_categorical_crossentropy, {"sparse_categorical_crossentropy", true}},
    {LossKind::categorical_crossentropy, {"categorical_crossentropy", false}},
    {LossKind::binary_crossentropy, {"binary_crossentropy", false}},
    {LossKind::mean_squared_error, {"mean_squared_error", false}},
    {LossKind::mean_absolute_error, {"mean_absolute_error", false}},
    {LossKind::huber, {"huber", false}},
    {LossKind::log_cosh, {"log_cosh", false}},
    {LossKind::gaussian_nll, {"gaussian_nll", false}},
    {LossKind::poisson, {"poisson", false}},
    {LossKind::kl_divergence, {"kl_divergence", false}},
    {LossKind::hinge, {"hinge", false}},
    {LossKind::squared_hinge, {"squared_hinge", false}},
    {LossKind::categorical_hinge, {"categorical_hinge", false}},
    {LossKind::quantile, {"quantile", false}},
    {LossKind::binary_focal_crossentropy, {"binary_focal_crossentropy", false}},
    {LossKind::cosine_similarity, {"cosine_similarity", false}},
    {LossKind::custom, {"custom", false}},
    {LossKind::custom_of_labels, {"custom_of_labels", true}},
    {LossKind::custom_of_column, {"custom_of_column", false}},
};
static_assert(spec::in_order(infos));

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
  spec.delta = 1.0;
  spec.epsilon = 1e-6;
  spec.quantile = 0.5;
  spec.gamma = 2.0;
  spec.alpha = 0.25;
  return spec;
}

LossSpec loss_spec(std::string_view name) {
  for (const auto& [kind, info] : infos) {
    if (name == info.name) return loss_spec(kind);
  }
  std::string message = "loss is '";
  message.append(name).append("', expected one of");
  for (const Row& row : infos) message.append(" ").append(row.info.name);
  throw ValueError(message);
}

Index target_cols(const LossSpec& spec, Index output_cols) {
  if (spec.kind == LossKind::gaussian_nll) return output_cols / 2;
  return spec.kind == LossKind::custom_of_column ? 1 : output_cols;
}

void check_loss(const LossSpec& spec, Index output_cols) {
  if (!(spec.label_smoothing >= 0.0 && spec.label_smoothing <= 1.0)) {
    throw ValueError("label_smoothing must be between 0 and 1, but it is " +
                     std::to_string(spec.label_smoothing));
  }
  if (!(spec.delta > 0.0 && std::isfinite(spec.delta))) {
    throw ValueError("delta must be greater than 0, but it is " + std::to_string(spec.delta));
  }
  if (!(spec.epsilon > 0.0 && std::isfinite(spec.epsilon))) {
    throw ValueError("eps must be greater than 0, but it is " + std::to_string(spec.epsilon));
  }
  if (!(spec.quantile > 0.0 && spec.quantile < 1.0)) {
    throw ValueError("quantile must be between 0 and 1, but it is " +
                     std::to_string(spec.quantile));
  }
  if (!(spec.gamma >= 0.0 && std::isfinite(spec.gamma))) {
    throw ValueError("gamma must be at least 0, but it is " + std::to_string(spec.gamma));
  }
  if (!(spec.alpha >= 0.0 && spec.alpha <= 1.0)) {
    throw ValueError("alpha must be between 0 and 1, but it is " + std::to_string(spec.alpha));
  }
  if (output_cols < 1) throw ValueError("the outputs have no values");
  if (spec.kind == LossKind::gaussian_nll && output_cols % 2 != 0) {
    throw ValueError(
        "gaussian_nll takes means and as many variances, but the outputs' last axis has " +
        std::to_string(output_cols) + " values");
  }
}

}  // namespace unitgain
