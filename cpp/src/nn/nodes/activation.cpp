// Activations of each value by itself.
#include "unitgain/activation.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class ActivationNode final : public Kind<ActivationNode<T>, T> {
 public:
  static constexpr const char* kind_name = "activation";

  ActivationNode() = default;
  explicit ActivationNode(const ActivationSpec& activation) : activation_(activation) {
    const ActivationInfo& info = activation_info(activation.kind);
    // Activation::relu looks at no parameter, whatever they are.
    const double* values =
        activation.kind == Activation::relu ? info.defaults : activation.parameters;
    name_ = info.name;
    parameters_.assign(values, values + info.parameter_count);
  }

  Content<T> content() override {
    return {{}, {{"name", &name_}, {"parameters", &parameters_, true}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    ActivationSpec named = activation_spec(name_);
    if (parameters_.size() > std::size(named.parameters)) {
      throw ValueError(name_ + " does not take " + std::to_string(parameters_.size()) +
                       " parameters");
    }
    std::copy(parameters_.begin(), parameters_.end(), named.parameters);
    check_activation(named);
    const ActivationInfo& info = activation_info(named.kind);
    name_ = info.name;  // of an alias too, and with the defaults
    parameters_.assign(named.parameters, named.parameters + info.parameter_count);
    activation_ = specialized(named);
    return inputs[0];
  }

  bool is_identity(Mode, Training) const override { return activation_.kind == Activation::linear; }
  std::optional<Epilogue<T>> as_epilogue(Mode, Training) const override { return activation_; }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    activation_forward(builder, group, activation_);
  }
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    activation_backward(builder, group, activation_);
  }

 private:
  std::string name_;
  std::vector<double> parameters_;
  ActivationSpec activation_{};
};

}  // namespace

UNITGAIN_NODE_KIND(activation, ActivationNode);

}  // namespace nn

template <class T>
NodeId Graph<T>::activation(NodeId x, const ActivationSpec& activation) {
  return append(std::make_shared<nn::ActivationNode<T>>(activation), {x});
}
template NodeId Graph<float>::activation(NodeId, const ActivationSpec&);
template NodeId Graph<double>::activation(NodeId, const ActivationSpec&);

}  // namespace unitgain
