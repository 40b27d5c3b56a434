// Layer normalisation.
#include "ops/layer_norm.hpp"

#include "nn/node.hpp"
#include "nn/normalization.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class LayerNorm final : public Kind<LayerNorm<T>, T> {
 public:
  static constexpr const char* kind_name = "layer_norm";

  LayerNorm() = default;
  explicit LayerNorm(const LayerNormNode<T>& norm) : norm_(norm) {}

  Content<T> content() override {
    return {{{"gamma", &norm_.gamma, true}, {"beta", &norm_.beta, true}},
            {{"epsilon", &norm_.epsilon}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape shape = inputs[0];
    check_vector(norm_.gamma, "gamma", shape.cols, true);
    check_vector(norm_.beta, "beta", shape.cols, true);
    return shape;
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  LayerNormNode<T> norm_{};
};

template <class T>
void LayerNorm<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const NormBuffers<T> kept(builder, group.head, rows);
  builder.step("layer norm", 0.5 * static_cast<double>(rows * cols),
               {x, y, kept.mean, kept.residual, kept.inverse_deviation},
               [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                 ops::layer_norm<T>(team, context.at(x), context.at(y), rows, cols,
                                    parameters_of<T>(norm), kept.at(context));
               });
}

template <class T>
void LayerNorm<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(source), dy = builder.gradient(group.result);
  const NormBuffers<T> kept(builder, group.head, rows);
  const BufferId scratch = builder.buffer(ops::layer_norm_scratch(rows, cols));
  const BufferId sums = builder.buffer(2 * cols);
  const BufferId dx = builder.wants_gradient(source) ? builder.begin_gradient(source) : no_buffer;
  const auto gamma = builder.begin_parameter(norm_.gamma);
  const auto beta = builder.begin_parameter(norm_.beta);

  std::vector<BufferId> uses{x,       dy,  kept.mean, kept.residual, kept.inverse_deviation,
                             scratch, sums};
  if (dx != no_buffer) uses.push_back(dx);
  builder.step("layer norm gradient", static_cast<double>(rows * cols), std::move(uses),
               [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                 T *gammas = context.at(sums), *betas = gammas + cols;
                 ops::layer_norm_gradient<T>(team, context.at(x), context.at(dy), rows, cols,
                                             data_or_null(norm.gamma), kept.at(context),
                                             {dx != no_buffer ? context.at(dx) : nullptr,
                                              gamma.gradient != nullptr ? gammas : nullptr,
                                              beta.gradient != nullptr ? betas : nullptr},
                                             context.at(scratch));
                 store_gradient<T>(team, gamma, gammas, cols);
                 store_gradient<T>(team, beta, betas, cols);
               });
  if (dx != no_buffer) builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(layer_norm, LayerNorm);

}  // namespace nn

template <class T>
NodeId Graph<T>::layer_norm(NodeId x, const LayerNormNode<T>& parameters, bool trainable) {
  return append(std::make_shared<nn::LayerNorm<T>>(parameters), {x}, trainable);
}
template NodeId Graph<float>::layer_norm(NodeId, const LayerNormNode<float>&, bool);
template NodeId Graph<double>::layer_norm(NodeId, const LayerNormNode<double>&, bool);

}  // namespace unitgain
