// Dropout and noise.
#include "unitgain/noise.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "ops/noise.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class NoiseNode final : public Kind<NoiseNode<T>, T> {
 public:
  static constexpr const char* kind_name = "noise";

  NoiseNode() = default;
  NoiseNode(const NoiseSpec& noise, std::uint64_t key)
      : name_(noise_name(noise.kind)),
        parameters_(noise.parameters, noise.parameters + noise_parameters(noise.kind)),
        key_(key) {}

  Content<T> content() override {
    return {{}, {{"name", &name_}, {"parameters", &parameters_}, {"key", &key_}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    noise_ = noise_spec(name_, parameters_);
    return inputs[0];
  }

  bool is_identity(Mode mode, Training training) const override {
    if (noise_.kind == Noise::rrelu) return false;
    return !draws(mode, training) || noise_.parameters[0] == 0.0;
  }
  // Where it does not draw, rrelu is an activation with its mean slope.
  std::optional<Epilogue<T>> as_epilogue(Mode mode, Training training) const override {
    if (noise_.kind == Noise::dropout) return Dropout{noise_, key_};
    if (noise_.kind == Noise::rrelu && !draws(mode, training)) return mean_activation(noise_);
    return std::nullopt;
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  std::string name_;
  std::vector<double> parameters_;
  std::uint64_t key_ = 0;  // of the random numbers; their stream is the training step
  NoiseSpec noise_{};
};

template <class T>
void NoiseNode<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  if (!draws(builder.mode(), builder.node(group.head).training)) {
    return activation_forward(builder, group, mean_activation(noise_));
  }
  builder.draws();
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Index n = builder.values(group.result);
  builder.step(
      "noise", 0.5 * static_cast<double>(n), {x, y},
      [=, noise = noise_, key = key_](const runtime::Team& team, const Context<T>& context) {
        ops::noise<T>(team, noise, context.at(x), context.at(y), n, key, context.step);
      });
}

template <class T>
void NoiseNode<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  if (!draws(builder.mode(), builder.node(group.head).training)) {
    return activation_backward(builder, group, mean_activation(noise_));
  }
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const BufferId dy = builder.gradient(group.result), dx = builder.begin_gradient(source);
  // The input is kept for the one kind whose derivative depends on it.
  const BufferId x = noise_.kind == Noise::rrelu ? builder.value(source) : dy;
  noise_gradient(builder, noise_, key_, x, dy, dx, builder.values(source));
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(noise, NoiseNode);

}  // namespace nn

template <class T>
NodeId Graph<T>::noise(NodeId x, const NoiseSpec& noise, std::uint64_t key) {
  return append(std::make_shared<nn::NoiseNode<T>>(noise, key), {x});
}
template NodeId Graph<float>::noise(NodeId, const NoiseSpec&, std::uint64_t);
template NodeId Graph<double>::noise(NodeId, const NoiseSpec&, std::uint64_t);

}  // namespace unitgain
