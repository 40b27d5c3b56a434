// Batch normalisation, with the activation behind it in the same step.
#include <algorithm>
#include <limits>

#include "nn/block_tree.hpp"
#include "nn/node.hpp"
#include "nn/normalization.hpp"
#include "ops/activation.hpp"
#include "ops/batch_norm.hpp"
#include "ops/batch_renorm.hpp"
#include "ops/fold_batch_norm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class BatchNorm final : public Kind<BatchNorm<T>, T> {
 public:
  static constexpr const char* kind_name = "batch_norm";

  BatchNorm() = default;
  explicit BatchNorm(const BatchNormNode<T>& norm) : norm_(norm) {}

  Content<T> content() override {
    return {{{"gamma", &norm_.gamma, true},
             {"beta", &norm_.beta, true},
             {"moving_mean", &norm_.moving_mean, false},
             {"moving_variance", &norm_.moving_variance, false},
             {"moving_deviation", &norm_.moving_deviation, false},
             {"renorm_mean", &norm_.renorm_mean, false},
             {"renorm_deviation", &norm_.renorm_deviation, false}},
            {{"momentum", &norm_.momentum},
             {"epsilon", &norm_.epsilon},
             {"synchronized", &norm_.synchronized, true},
             {"renorm", &norm_.renorm, true}}};
  }
  // The second input is a mask, if there is one.
  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape shape = inputs[0];
    masked_ = inputs.size() > 1;
    if (inputs.size() > 2) throw ValueError("a batch norm has an input and a mask, no more");
    if (masked_ && (inputs[1].rows != shape.rows || inputs[1].cols != 1)) {
      throw ValueError("the mask of a batch norm has samples of " + std::to_string(inputs[1].rows) +
                       " x " + std::to_string(inputs[1].cols) + ", expected " +
                       std::to_string(shape.rows) + " x 1");
    }
    if (renormalizes()) {
      if (norm_.renorm.size() != 4) {
        throw ValueError("renorm has " + std::to_string(norm_.renorm.size()) +
                         " numbers, expected the momentum and three bounds");
      }
      check_vector(norm_.moving_deviation, "moving_deviation", shape.cols, false);
      check_vector(norm_.renorm_mean, "renorm_mean", shape.cols, false);
      check_vector(norm_.renorm_deviation, "renorm_deviation", shape.cols, false);
    }
    if (norm_.synchronized != 0 && corrects()) {
      throw ValueError("a synchronized batch norm takes no mask and no renormalisation");
    }
    check_vector(norm_.gamma, "gamma", shape.cols, true);
    check_vector(norm_.beta, "beta", shape.cols, true);
    check_vector(norm_.moving_mean, "moving_mean", shape.cols, false);
    check_vector(norm_.moving_variance, "moving_variance", shape.cols, false);
    return shape;
  }

  std::optional<Epilogue<T>> as_epilogue(Mode mode, Training training) const override {
    // A product's gradient knows of no norm behind it.
    if (masked_ || in_training(mode) || differentiates(mode) || training == Training::always) {
      return std::nullopt;
    }
    return FixedNorm<T>{norm_.gamma, norm_.beta, norm_.moving_mean, norm_.moving_variance,
                        norm_.epsilon};
  }
  bool takes(const Epilogue<T>& epilogue) const override {
    return std::holds_alternative<ActivationSpec>(epilogue);
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  bool renormalizes() const { return !norm_.renorm.empty(); }
  // Whether a batch's own statistics are corrected.
  bool corrects() const { return masked_ || renormalizes(); }
  void train_corrected(PlanBuilder<T>& builder, const Group<T>& group, BufferId z) const;
  void corrected_backward(PlanBuilder<T>& builder, const Group<T>& group) const;
  // The same where the statistics are those of all blocks of a batch: sums of each, and all of them
  // added up in the blocks' order.
  void forward_together(PlanBuilder<T>& builder, const Group<T>& group, BufferId z) const;
  void backward_together(PlanBuilder<T>& builder, const Group<T>& group) const;
  bool meets(const PlanBuilder<T>& builder) const {
    return builder.is_block() && norm_.synchronized != 0;
  }

  BatchNormNode<T> norm_{};
  bool masked_ = false;
};

// A frozen layer uses its moving statistics in training too, as in Keras.
template <class T>
bool uses_batch_statistics(const PlanBuilder<T>& builder, const Group<T>& group) {
  const Node<T>& node = builder.node(group.head);
  return in_training(builder.mode(), node.training) && node.trainable;
}

// The buffers of the corrections of a batch's statistics; `rows` is for the forward pass alone.
template <class T>
struct CorrectionBuffers {
  CorrectionBuffers(PlanBuilder<T>& builder, const Group<T>& group, bool is_masked, bool forward)
      : r(builder.statistics(group.head, 3, builder.node(group.head).shape.cols)),
        d(builder.statistics(group.head, 4, builder.node(group.head).shape.cols)) {
    if (is_masked) mask = builder.value(group.inputs[1]);
    if (is_masked && forward) rows = builder.buffer(builder.values(group.head));
  }

  std::vector<BufferId> with(std::vector<BufferId> uses) const {
    uses.insert(uses.end(), {r, d});
    for (const BufferId one : {mask, rows}) {
      if (one != no_buffer) uses.push_back(one);
    }
    return uses;
  }

  ops::BatchCorrections<T> at(const Context<T>& context, const BatchNormNode<T>& norm) const {
    ops::BatchCorrections<T> made{mask == no_buffer ? nullptr : context.at(mask),
                                  rows == no_buffer ? nullptr : context.at(rows),
                                  {},
                                  context.at(r),
                                  context.at(d)};
    if (norm.renorm.empty()) return made;
    const auto bound = [&](std::size_t i) {
      constexpr double most = std::numeric_limits<T>::max();
      return static_cast<T>(std::clamp(norm.renorm[i], -most, most));
    };
    made.renorm = {norm.renorm_mean->data(),
                   norm.renorm_deviation->data(),
                   norm.moving_deviation->data(),
                   norm.renorm[0],
                   bound(1),
                   bound(2),
                   bound(3)};
    return made;
  }

  BufferId r, d, mask = no_buffer, rows = no_buffer;
};

template <class T>
void activate(PlanBuilder<T>& builder, const Group<T>& group, BufferId z) {
  if (group.activation.kind == Activation::linear) return;
  const BufferId y = builder.value(group.result);
  const Index n = builder.values(group.result);
  builder.step(
      "activation", 0.3 * static_cast<double>(n), {z, y},
      [=, activation = group.activation](const runtime::Team& team, const Context<T>& context) {
        ops::activation<T>(team, activation, context.at(z), context.at(y), n);
      });
}

template <class T>
void BatchNorm<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]);
  const bool keep_input =
      differentiates(builder.mode()) && activation_info(group.activation.kind).saves_input;
  const BufferId z = keep_input ? builder.saved(group).buffer : builder.value(group.result);
  if (uses_batch_statistics(builder, group) && meets(builder)) {
    forward_together(builder, group, z);
    return activate(builder, group, z);
  }
  const NormBuffers<T> kept(builder, group.head, cols);
  const BufferId scale = builder.buffer(cols);
  const double work = 0.5 * static_cast<double>(rows * cols);
  if (uses_batch_statistics(builder, group) && corrects()) {
    train_corrected(builder, group, z);
  } else if (uses_batch_statistics(builder, group)) {
    const bool moves = in_training(builder.mode());  // what only reads may run side by side
    builder.step("batch norm", work,
                 {x, z, kept.mean, kept.residual, kept.inverse_deviation, scale},
                 [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                   ops::MovingStatistics<T> moving = {};
                   if (moves && context.update_statistics) {
                     moving = {norm.moving_mean->data(), norm.moving_variance->data()};
                   }
                   ops::batch_norm_train<T>(team, context.at(x), context.at(z), rows, cols,
                                            parameters_of<T>(norm), norm.momentum, moving,
                                            kept.at(context), context.at(scale));
                 });
  } else {
    builder.step("batch norm", work, {x, z, scale},
                 [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                   ops::batch_norm_infer<T>(
                       team, context.at(x), context.at(z), rows, cols, parameters_of<T>(norm),
                       {norm.moving_mean->data(), norm.moving_variance->data()}, context.at(scale));
                 });
  }
  activate(builder, group, z);
}

template <class T>
void BatchNorm<T>::train_corrected(PlanBuilder<T>& builder, const Group<T>& group,
                                   BufferId z) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]), scale = builder.buffer(cols);
  const NormBuffers<T> kept(builder, group.head, cols);
  const CorrectionBuffers<T> corrections(builder, group, masked_, true);
  const bool moves = in_training(builder.mode());
  builder.step("batch norm", static_cast<double>(rows * cols),
               corrections.with({x, z, kept.mean, kept.residual, kept.inverse_deviation, scale}),
               [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                 ops::MovingStatistics<T> moving = {};
                 if (moves && context.update_statistics) {
                   moving = {norm.moving_mean->data(), norm.moving_variance->data()};
                 }
                 ops::batch_norm_train_corrected<T>(team, context.at(x), context.at(z), rows, cols,
                                                    parameters_of<T>(norm), norm.momentum, moving,
                                                    kept.at(context), corrections.at(context, norm),
                                                    context.at(scale));
               });
}

// Adds to the gradients of gamma and beta, or sets them, where the statistics are constants.
template <class T>
void add_affine_gradients(PlanBuilder<T>& builder, const Group<T>& group,
                          const BatchNormNode<T>& norm) {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]), dz = builder.gradient(group.result);
  const auto gamma = builder.begin_parameter(norm.gamma), beta = builder.begin_parameter(norm.beta);
  if (gamma.gradient == nullptr && beta.gradient == nullptr) return;
  // Of each column: the sums of dz n and of dz, the inverse deviation, and zeros; and what
  // preparing these leaves beside.
  const BufferId sums = builder.buffer(6 * cols);
  builder.step("batch norm gradient", 0.4 * static_cast<double>(rows * cols), {x, dz, sums},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const auto& kernels = *runtime::kernels<T>().column;
                 const runtime::Range range = team.share(cols, ops::column_grain<T>);
                 const Index first = range.begin, width = range.size();
                 T* const products = context.at(sums) + first;
                 T *plain = products + cols, *inverse = plain + cols, *zeros = inverse + cols;
                 std::fill_n(zeros, width, T{0});
                 kernels.prepare_normalize(width, nullptr, norm.moving_variance->data() + first,
                                           nullptr, nullptr, static_cast<T>(norm.epsilon), inverse,
                                           zeros + cols, zeros + 2 * cols);
                 kernels.normalize_gradient_sums(
                     context.at(x) + first, cols, context.at(dz) + first, cols, rows, width,
                     norm.moving_mean->data() + first, zeros, inverse, plain, products);
                 store_gradient<T>(team, gamma, context.at(sums), cols);
                 store_gradient<T>(team, beta, context.at(sums) + cols, cols);
               });
}

// dx = dz scale, the statistics being constants.
template <class T>
void constant_backward(PlanBuilder<T>& builder, const Group<T>& group,
                       const BatchNormNode<T>& norm) {
  const NodeId source = group.inputs[0];
  if (builder.node(group.head).trainable) add_affine_gradients(builder, group, norm);
  if (!builder.wants_gradient(source)) return;
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId dz = builder.gradient(group.result), dx = builder.begin_gradient(source);
  const BufferId scale = builder.buffer(cols), shift = builder.buffer(cols);
  const BufferId zeros = builder.buffer(cols);
  builder.step("batch norm gradient", 0.3 * static_cast<double>(rows * cols),
               {dz, dx, scale, shift, zeros},
               [=](const runtime::Team& team, const Context<T>& context) {
                 T* factor = context.at(scale);
                 ops::fold_batch_norm<T>(team, cols, nullptr, parameters_of<T>(norm),
                                         {norm.moving_mean->data(), norm.moving_variance->data()},
                                         factor, context.at(shift));
                 const runtime::Range range = team.share(cols, ops::column_grain<T>);
                 T* const nothing = context.at(zeros) + range.begin;
                 std::fill_n(nothing, range.size(), T{0});
                 runtime::kernels<T>().column->normalize(
                     context.at(dz) + range.begin, cols, context.at(dx) + range.begin, cols, rows,
                     range.size(), nothing, factor + range.begin, nothing);
               });
  builder.finish_gradient(source, dx);
}

template <class T>
void BatchNorm<T>::corrected_backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(source), dz = builder.gradient(group.result);
  const NormBuffers<T> kept(builder, group.head, cols);
  const CorrectionBuffers<T> corrections(builder, group, masked_, false);
  const BufferId scratch = builder.buffer(4 * cols), sums = builder.buffer(2 * cols);
  const BufferId dx = builder.wants_gradient(source) ? builder.begin_gradient(source) : no_buffer;
  const auto gamma = builder.begin_parameter(norm_.gamma);
  const auto beta = builder.begin_parameter(norm_.beta);
  std::vector<BufferId> uses =
      corrections.with({x, dz, kept.mean, kept.residual, kept.inverse_deviation, scratch, sums});
  if (dx != no_buffer) uses.push_back(dx);
  builder.step("batch norm gradient", static_cast<double>(rows * cols), std::move(uses),
               [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                 T *gammas = context.at(sums), *betas = gammas + cols;
                 ops::batch_norm_gradient_corrected<T>(
                     team, context.at(x), context.at(dz), rows, cols, data_or_null(norm.gamma),
                     kept.at(context), corrections.at(context, norm),
                     {dx != no_buffer ? context.at(dx) : nullptr, gammas, betas},
                     context.at(scratch));
                 store_gradient<T>(team, gamma, gammas, cols);
                 store_gradient<T>(team, beta, betas, cols);
               });
  if (dx != no_buffer) builder.finish_gradient(source, dx);
}

template <class T>
void BatchNorm<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  if (masked_) zero_gradient(builder, group.inputs[1]);
  if (!uses_batch_statistics(builder, group)) return constant_backward(builder, group, norm_);
  if (corrects()) return corrected_backward(builder, group);
  if (meets(builder)) return backward_together(builder, group);
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(source), dz = builder.gradient(group.result);
  const NormBuffers<T> kept(builder, group.head, cols);
  const BufferId scratch = builder.buffer(3 * cols), sums = builder.buffer(2 * cols);
  const BufferId dx = builder.wants_gradient(source) ? builder.begin_gradient(source) : no_buffer;
  const auto gamma = builder.begin_parameter(norm_.gamma);
  const auto beta = builder.begin_parameter(norm_.beta);

  std::vector<BufferId> uses{x,       dz,  kept.mean, kept.residual, kept.inverse_deviation,
                             scratch, sums};
  if (dx != no_buffer) uses.push_back(dx);
  builder.step("batch norm gradient", static_cast<double>(rows * cols), std::move(uses),
               [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                 T *gammas = context.at(sums), *betas = gammas + cols;
                 ops::batch_norm_gradient<T>(
                     team, context.at(x), context.at(dz), rows, cols, data_or_null(norm.gamma),
                     kept.at(context), {dx != no_buffer ? context.at(dx) : nullptr, gammas, betas},
                     context.at(scratch));
                 store_gradient<T>(team, gamma, gammas, cols);
                 store_gradient<T>(team, beta, betas, cols);
               });
  if (dx != no_buffer) builder.finish_gradient(source, dx);
}

// Rows of a block of the batch, of which each sample has so many.
template <class T>
double rows_of_block(const Context<T>& context, Index block, Index rows_per_sample) {
  const Range samples = rows_of(block, context.blocks, context.whole);
  return static_cast<double>(samples.size() * rows_per_sample);
}

// Mean and variance of a column of all blocks' rows, from each block's mean and sum of squared
// distances from it: Chan, Golub and LeVeque, The American Statistician 37, 1983.
struct Moments {
  double mean, variance;
};
template <class T>
Moments joined_moments(const Context<T>& context, const double* joint, Index cols, Index column,
                       Index rows_per_sample) {
  const double rows = static_cast<double>(context.whole * rows_per_sample);
  double sum = 0, squares = 0;
  const auto each = [&](auto&& body) {
    for (Index b = 0; b < context.blocks; ++b) {
      const double* of_block = joint + b * 2 * cols + column;
      body(rows_of_block(context, b, rows_per_sample), of_block[0], of_block[cols]);
    }
  };
  each([&](double count, double mean, double) { sum += count * mean; });
  const double mean = sum / rows;
  each([&](double count, double of_block, double distances) {
    squares += distances + count * (of_block - mean) * (of_block - mean);
  });
  return {mean, squares / rows};
}

template <class T>
void BatchNorm<T>::forward_together(PlanBuilder<T>& builder, const Group<T>& group,
                                    BufferId z) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const Index per_sample = rows / builder.batch();
  const BufferId x = builder.value(group.inputs[0]);
  const NormBuffers<T> kept(builder, group.head, cols);
  const BufferId scale = builder.buffer(cols), shift = builder.buffer(cols);
  const std::size_t meeting = builder.next_meeting();
  const double work = 0.3 * static_cast<double>(rows * cols);
  builder.step("batch norm moments", work, {x, kept.mean, kept.residual, scale},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const runtime::Range part = team.share(cols, ops::column_grain<T>);
                 const ops::NormStatistics<T> own = kept.at(context);
                 T* const variance = context.at(scale);
                 runtime::kernels<T>().column->moments(
                     context.at(x) + part.begin, cols, rows, part.size(), own.mean + part.begin,
                     own.residual + part.begin, variance + part.begin);
                 double* joint = context.joint[meeting] + context.block * 2 * cols;
                 for (Index j = part.begin; j < part.end; ++j) {
                   joint[j] =
                       static_cast<double>(own.mean[j]) + static_cast<double>(own.residual[j]);
                   joint[cols + j] = static_cast<double>(variance[j]) * static_cast<double>(rows);
                 }
               });
  builder.meet(2 * cols);
  builder.step(
      "batch norm", work, {x, z, kept.mean, kept.residual, kept.inverse_deviation, scale, shift},
      [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
        const auto& kernels = *runtime::kernels<T>().column;
        const auto [begin, end] = team.share(cols, ops::column_grain<T>);
        const Index width = end - begin;
        const ops::NormStatistics<T> all = kept.at(context);
        T* const variance = context.at(scale);
        for (Index j = begin; j < end; ++j) {
          const Moments found =
              joined_moments(context, context.joint[meeting], cols, j, per_sample);
          all.mean[j] = static_cast<T>(found.mean);
          all.residual[j] = static_cast<T>(found.mean - static_cast<double>(all.mean[j]));
          variance[j] = static_cast<T>(found.variance);
        }
        if (context.update_statistics) {
          const T keep = static_cast<T>(norm.momentum), renew = static_cast<T>(1 - norm.momentum);
          kernels.move_average(norm.moving_mean->data() + begin, all.mean + begin, width, keep,
                               renew);
          kernels.move_average(norm.moving_variance->data() + begin, variance + begin, width, keep,
                               renew);
        }
        const T *gamma = data_or_null(norm.gamma), *beta = data_or_null(norm.beta);
        kernels.prepare_normalize(
            width, all.residual + begin, variance + begin, gamma == nullptr ? gamma : gamma + begin,
            beta == nullptr ? beta : beta + begin, static_cast<T>(norm.epsilon),
            all.inverse_deviation + begin, variance + begin, context.at(shift) + begin);
        kernels.normalize(context.at(x) + begin, cols, context.at(z) + begin, cols, rows, width,
                          all.mean + begin, variance + begin, context.at(shift) + begin);
      });
}

template <class T>
void BatchNorm<T>::backward_together(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const Index per_sample = rows / builder.batch();
  const BufferId x = builder.value(source), dz = builder.gradient(group.result);
  const NormBuffers<T> kept(builder, group.head, cols);
  const BufferId scratch = builder.buffer(3 * cols), sums = builder.buffer(2 * cols);
  const auto gamma = builder.begin_parameter(norm_.gamma);
  const auto beta = builder.begin_parameter(norm_.beta);
  const std::size_t meeting = builder.next_meeting();
  const double work = 0.5 * static_cast<double>(rows * cols);
  builder.step("batch norm gradient sums", work,
               {x, dz, kept.mean, kept.residual, kept.inverse_deviation, sums},
               [=](const runtime::Team& team, const Context<T>& context) {
                 const runtime::Range part = team.share(cols, ops::column_grain<T>);
                 const Index first = part.begin;
                 const ops::NormStatistics<T> all = kept.at(context);
                 T *gammas = context.at(sums), *betas = gammas + cols;
                 runtime::kernels<T>().column->normalize_gradient_sums(
                     context.at(x) + first, cols, context.at(dz) + first, cols, rows, part.size(),
                     all.mean + first, all.residual + first, all.inverse_deviation + first,
                     betas + first, gammas + first);
                 store_gradient<T>(team, gamma, gammas, cols);
                 store_gradient<T>(team, beta, betas, cols);
                 double* joint = context.joint[meeting] + context.block * 2 * cols;
                 for (Index j = first; j < part.end; ++j) {
                   joint[j] = static_cast<double>(gammas[j]);
                   joint[cols + j] = static_cast<double>(betas[j]);
                 }
               });
  builder.gradients_are_ready();
  builder.meet(2 * cols);
  if (!builder.wants_gradient(source)) return;
  const BufferId dx = builder.begin_gradient(source);
  builder.step("batch norm gradient", work,
               {x, dz, dx, kept.mean, kept.residual, kept.inverse_deviation, sums, scratch},
               [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                 const auto& kernels = *runtime::kernels<T>().column;
                 const auto [begin, end] = team.share(cols, ops::column_grain<T>);
                 const ops::NormStatistics<T> all = kept.at(context);
                 T* const gammas = context.at(sums);
                 for (Index j = begin; j < end; ++j) {
                   double product = 0, plain = 0;
                   for (Index b = 0; b < context.blocks; ++b) {
                     const double* of_block = context.joint[meeting] + b * 2 * cols + j;
                     product += of_block[0];
                     plain += of_block[cols];
                   }
                   gammas[j] = static_cast<T>(product);
                   gammas[cols + j] = static_cast<T>(plain);
                 }
                 const T* gamma_values = data_or_null(norm.gamma);
                 T* const factor = context.at(scratch) + begin;
                 T *mean_upstream = factor + cols, *mean_product = factor + 2 * cols;
                 kernels.prepare_normalize_gradient(
                     end - begin, context.whole * per_sample,
                     gamma_values == nullptr ? gamma_values : gamma_values + begin,
                     all.inverse_deviation + begin, gammas + cols + begin, gammas + begin, factor,
                     mean_upstream, mean_product);
                 kernels.normalize_gradient(context.at(x) + begin, cols, context.at(dz) + begin,
                                            cols, context.at(dx) + begin, cols, rows, end - begin,
                                            all.mean + begin, all.residual + begin,
                                            all.inverse_deviation + begin, factor, mean_upstream,
                                            mean_product);
               });
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(batch_norm, BatchNorm);

}  // namespace nn

template <class T>
NodeId Graph<T>::batch_norm(NodeId x, const BatchNormNode<T>& parameters, bool trainable,
                            std::optional<NodeId> mask) {
  std::vector<NodeId> inputs{x};
  if (mask) inputs.push_back(*mask);
  return append(std::make_shared<nn::BatchNorm<T>>(parameters), inputs, trainable);
}
template NodeId Graph<float>::batch_norm(NodeId, const BatchNormNode<float>&, bool,
                                         std::optional<NodeId>);
template NodeId Graph<double>::batch_norm(NodeId, const BatchNormNode<double>&, bool,
                                          std::optional<NodeId>);

}  // namespace unitgain
