// A node that the embedding program, or Python, computes itself: the caller's thread runs it, while
// the rest of the team waits. No description can hold it.
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Custom final : public Kind<Custom<T>, T> {
 public:
  static constexpr const char* kind_name = "custom";

  Custom(CustomNode<T> custom, SampleShape shape) : custom_(std::move(custom)), shape_(shape) {}

  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape>) override {
    if (custom_.operation == nullptr) throw ValueError("operation is missing");
    if (shape_.rows < 1 || shape_.cols < 1) throw ValueError("a custom node needs an output");
    return shape_;
  }
  // They stay the operation's: neither copied when freezing nor listed with the graph's.
  std::vector<ParameterPtr<T>> trained() const override { return custom_.parameters; }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  CustomNode<T> custom_;
  SampleShape shape_;
};

// Each input as the operation takes it: one sample a row.
template <class T>
std::vector<View> rows_of_inputs(PlanBuilder<T>& builder, const Group<T>& group) {
  std::vector<View> views;
  for (const NodeId input : builder.node(group.head).inputs) {
    views.push_back(builder.matrix(builder.value_of(input), builder.node(input).shape.size()));
  }
  return views;
}

template <class T>
std::vector<MatrixView<const T>> matrices(const Context<T>& context,
                                          const std::vector<View>& views) {
  std::vector<MatrixView<const T>> found;
  for (const View& view : views) found.push_back(read_at(context, view));
  return found;
}

template <class T>
void Custom<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  builder.may_fail();
  const std::vector<View> inputs = rows_of_inputs(builder, group);
  const View y = builder.matrix(group.result, builder.node(group.result).shape.size());
  std::vector<BufferId> uses{y.buffer};
  for (const View& view : inputs) uses.push_back(view.buffer);
  const bool training = draws(builder.mode(), builder.node(group.head).training);
  builder.step(
      "custom", 1e4, std::move(uses),
      [=, operation = custom_.operation](const runtime::Team& team, const Context<T>& context) {
        call_program(team, context, [&] {
          operation->forward(matrices(context, inputs), at(context, y), training);
        });
      });
}

template <class T>
void Custom<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const std::vector<View> inputs = rows_of_inputs(builder, group);
  const Index cols = builder.node(group.result).shape.size();
  const View y = builder.matrix(group.result, cols);
  const View dy = builder.whole(builder.gradient(group.result), builder.batch(), cols);
  std::vector<BufferId> uses{y.buffer, dy.buffer};
  std::vector<View> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    View dx = inputs[i];
    const bool wanted = builder.wants_gradient(group.inputs[i]);
    dx.buffer = wanted ? builder.begin_gradient(group.inputs[i]) : no_buffer;
    gradients.push_back(dx);
    uses.push_back(inputs[i].buffer);
    if (wanted) uses.push_back(dx.buffer);
  }
  using Target = typename PlanBuilder<T>::ParameterTarget;
  std::vector<Target> targets;
  std::vector<BufferId> parts;
  std::vector<Index> sizes;
  for (const ParameterPtr<T>& parameter : custom_.parameters) {
    const bool trainable = builder.node(group.head).trainable;
    targets.push_back(trainable ? builder.begin_parameter(parameter) : Target{nullptr, false});
    sizes.push_back(parameter->size());
    parts.push_back(builder.buffer(parameter->size()));
    uses.push_back(parts.back());
  }
  builder.step(
      "custom gradient", 1e4, std::move(uses),
      [=, operation = custom_.operation](const runtime::Team& team, const Context<T>& context) {
        call_program(team, context, [&] {
          std::vector<MatrixView<T>> to;
          for (const View& dx : gradients) {
            if (dx.buffer == no_buffer) {
              to.push_back({nullptr, dx.rows, dx.cols, dx.cols, 1});
            } else {
              to.push_back(at(context, dx));
            }
          }
          std::vector<T*> sums;
          for (std::size_t i = 0; i < parts.size(); ++i) {
            sums.push_back(targets[i].gradient != nullptr ? context.at(parts[i]) : nullptr);
          }
          operation->backward(matrices(context, inputs), read_at(context, y), read_at(context, dy),
                              to, sums);
          for (std::size_t i = 0; i < parts.size(); ++i) {
            T* target = targets[i].gradient;
            if (target == nullptr) continue;
            for (Index k = 0; k < sizes[i]; ++k) {
              target[k] = (targets[i].accumulate ? target[k] : T{0}) + sums[i][k];
            }
          }
        });
      });
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].buffer != no_buffer) {
      builder.finish_gradient(group.inputs[i], gradients[i].buffer);
    }
  }
}

}  // namespace

}  // namespace nn

template <class T>
NodeId Graph<T>::custom(const std::vector<NodeId>& inputs, SampleShape shape, CustomNode<T> node,
                        bool trainable) {
  return append(std::make_shared<nn::Custom<T>>(std::move(node), shape), inputs, trainable);
}
template NodeId Graph<float>::custom(const std::vector<NodeId>&, SampleShape, CustomNode<float>,
                                     bool);
template NodeId Graph<double>::custom(const std::vector<NodeId>&, SampleShape, CustomNode<double>,
                                      bool);

}  // namespace unitgain
