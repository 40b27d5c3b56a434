// Dropout and noise.
#include "unitgain/noise.hpp"

#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "ops/noise.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class NoiseNode final : public Kind<NoiseNode<T>, T> {
 public:
  static constexpr const char* kind_name = "noise";

  NoiseNode() = default;
  NoiseNode(const NoiseSpec& noise, std::uint64_t key, const SharedNoise& shared)
      : name_(noise_name(noise.kind)),
        parameters_(noise.parameters, noise.parameters + noise_parameters(noise.kind)),
        key_(key),
        shared_(shared) {}

  Content<T> content() override {
    return {{},
            {{"name", &name_},
             {"parameters", &parameters_},
             {"key", &key_},
             {"sizes", &shared_.sizes, true},
             {"shared_axes", &shared_.axes, true}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    noise_ = noise_spec(name_, parameters_);
    if (is_shared()) check_shared(inputs[0]);
    return inputs[0];
  }

  bool is_identity(Mode mode, Training training) const override {
    if (noise_.kind == Noise::rrelu) return false;
    return !draws(mode, training) || noise_.parameters[0] == 0.0;
  }
  // Where it does not draw, rrelu is an activation with its mean slope.
  std::optional<Epilogue<T>> as_epilogue(Mode mode, Training training) const override {
    if (noise_.kind == Noise::dropout && !is_shared()) return Dropout{noise_, key_};
    if (noise_.kind == Noise::rrelu && !draws(mode, training)) return mean_activation(noise_);
    return std::nullopt;
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  bool is_shared() const { return !shared_.axes.empty(); }
  void check_shared(SampleShape shape) const;
  ops::SharedAxes axes(Index batch) const;
  void apply(PlanBuilder<T>& builder, BufferId from, BufferId to, bool is_gradient) const;

  std::string name_;
  std::vector<double> parameters_;
  std::uint64_t key_ = 0;  // of the random numbers; their stream is the training step
  SharedNoise shared_;
  NoiseSpec noise_{};
};

template <class T>
void NoiseNode<T>::check_shared(SampleShape shape) const {
  double values = 1;
  for (const double size : shared_.sizes) values *= size;
  if (values != static_cast<double>(shape.size())) {
    throw ValueError("sizes have a product of " + std::to_string(values) + ", but a sample has " +
                     std::to_string(shape.size()) + " values");
  }
  if (noise_.kind == Noise::rrelu) throw ValueError("slopes of rrelu are not shared along axes");
  for (const double axis : shared_.axes) {
    if (axis >= 0 && axis <= static_cast<double>(shared_.sizes.size()) &&
        axis == std::floor(axis)) {
      continue;
    }
    throw ValueError("shared_axes has " + std::to_string(axis) + ", expected axes from 0 to " +
                     std::to_string(shared_.sizes.size()));
  }
}

template <class T>
ops::SharedAxes NoiseNode<T>::axes(Index batch) const {
  std::vector<Index> sizes{batch};
  for (const double size : shared_.sizes) sizes.push_back(static_cast<Index>(size));
  std::vector<bool> shared(sizes.size(), false);
  for (const double axis : shared_.axes) shared[static_cast<std::size_t>(axis)] = true;
  return {sizes, shared};
}

// to = from times what is drawn, plus the rest of it unless a gradient is meant.
template <class T>
void NoiseNode<T>::apply(PlanBuilder<T>& builder, BufferId from, BufferId to,
                         bool is_gradient) const {
  ops::SharedAxes along = axes(builder.batch());
  const BufferId factor = builder.buffer(along.count), shift = builder.buffer(along.count);
  const double values =
      static_cast<double>(builder.batch()) *
      std::accumulate(shared_.sizes.begin(), shared_.sizes.end(), 1.0, std::multiplies<double>());
  builder.step("noise", static_cast<double>(along.count), {factor, shift},
               [=, noise = noise_, key = key_, n = along.count](const runtime::Team& team,
                                                                const Context<T>& context) {
                 ops::noise_to_share<T>(team, noise, context.at(factor), context.at(shift), n, key,
                                        context.step);
               });
  builder.step(is_gradient ? "noise gradient" : "noise", 0.4 * values, {from, to, factor, shift},
               [=, axes = std::move(along)](const runtime::Team& team, const Context<T>& context) {
                 ops::apply_shared<T>(team, axes, context.at(from), context.at(factor),
                                      is_gradient ? nullptr : context.at(shift), context.at(to));
               });
}

template <class T>
void NoiseNode<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  if (!draws(builder.mode(), builder.node(group.head).training)) {
    return activation_forward(builder, group, mean_activation(noise_));
  }
  builder.draws();
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  if (is_shared()) return apply(builder, x, y, false);
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
  if (is_shared()) {
    apply(builder, dy, dx, true);
    return builder.finish_gradient(source, dx);
  }
  // The input is kept for the one kind whose derivative depends on it.
  const BufferId x = noise_.kind == Noise::rrelu ? builder.value(source) : dy;
  noise_gradient(builder, noise_, key_, x, dy, dx, builder.values(source));
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(noise, NoiseNode);

}  // namespace nn

template <class T>
NodeId Graph<T>::noise(NodeId x, const NoiseSpec& noise, std::uint64_t key,
                       const SharedNoise& shared) {
  return append(std::make_shared<nn::NoiseNode<T>>(noise, key, shared), {x});
}
template NodeId Graph<float>::noise(NodeId, const NoiseSpec&, std::uint64_t, const SharedNoise&);
template NodeId Graph<double>::noise(NodeId, const NoiseSpec&, std::uint64_t, const SharedNoise&);

}  // namespace unitgain
