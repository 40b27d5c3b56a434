// A node that a program computes: a traced function of the inputs and of parameters.
#include "ops/expression.hpp"

#include "nn/expression.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Expression final : public Kind<Expression<T>, T> {
 public:
  static constexpr const char* kind_name = "expression";

  Expression(ExpressionNode<T> node, SampleShape shape) : node_(std::move(node)), shape_(shape) {}

  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    if (shape_.rows < 1 || shape_.cols < 1) throw ValueError("an expression needs an output");
    if (node_.infer.forward->inputs.size() != inputs.size() + node_.parameters.size()) {
      throw ValueError("an expression has " + std::to_string(node_.infer.forward->inputs.size()) +
                       " inputs, but the node has " + std::to_string(inputs.size()) +
                       " and as many parameters as " + std::to_string(node_.parameters.size()));
    }
    return shape_;
  }
  std::vector<ParameterPtr<T>> trained() const override { return node_.parameters; }
  void freeze(Precision, DenseWeights) override {
    for (ParameterPtr<T>& parameter : node_.parameters) this->copy_parameter(parameter);
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  // The sizes of what the forward pass leaves to the backward pass, beside the output.
  static Index saved_size(const ops::ExpressionProgram& program, std::size_t i, Index batch) {
    return program.outputs[i].of(batch);
  }
  using Target = typename PlanBuilder<T>::ParameterTarget;
  void add_to_parameters(PlanBuilder<T>& builder, const std::vector<BufferId>& parts,
                         const std::vector<Target>& targets) const;

  ExpressionNode<T> node_;
  SampleShape shape_;
};

template <class T>
std::vector<BufferId> input_buffers(PlanBuilder<T>& builder, const Group<T>& group) {
  std::vector<BufferId> buffers;
  for (const NodeId input : builder.node(group.head).inputs) {
    buffers.push_back(builder.value(builder.value_of(input)));
  }
  return buffers;
}

template <class T>
void Expression<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const bool training = draws(builder.mode(), builder.node(group.head).training);
  const ExpressionPasses& passes = training ? node_.train : node_.infer;
  const bool differentiated = differentiates(builder.mode()) && passes.backward != nullptr;
  const auto& program = differentiated ? passes.saving : passes.forward;
  std::vector<BufferId> from = input_buffers(builder, group), to{builder.value(group.result)};
  for (std::size_t i = 1; i < program->outputs.size(); ++i) {
    to.push_back(builder.statistics(group.result, static_cast<int>(i),
                                    saved_size(*program, i, builder.batch())));
  }
  std::vector<const T*> parameters;
  for (const auto& parameter : node_.parameters) parameters.push_back(parameter->data());
  run_expression(builder, "expression", program, from, parameters, to, {});
}

template <class T>
void Expression<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const bool training = draws(builder.mode(), builder.node(group.head).training);
  const ExpressionPasses& passes = training ? node_.train : node_.infer;
  const auto &program = passes.backward, &forward = passes.saving;
  if (program == nullptr) throw ValueError("an expression has no derivative");
  std::vector<BufferId> from = input_buffers(builder, group);
  // The program takes the inputs, the parameters, the gradient and what was saved.
  std::vector<BufferId> behind{builder.gradient(group.result)};
  if (passes.reads_output) behind.push_back(builder.value(group.result));
  for (std::size_t i = 1; i < forward->outputs.size(); ++i) {
    behind.push_back(builder.statistics(group.result, static_cast<int>(i),
                                        saved_size(*forward, i, builder.batch())));
  }
  std::vector<BufferId> to;
  const std::size_t count = from.size();
  for (std::size_t i = 0; i < count; ++i) {
    const bool wanted = builder.wants_gradient(group.inputs[i]);
    to.push_back(wanted ? builder.begin_gradient(group.inputs[i])
                        : builder.buffer(builder.values(group.inputs[i])));
  }
  std::vector<Target> targets;
  std::vector<BufferId> parts;
  std::vector<const T*> parameters;
  for (const auto& parameter : node_.parameters) {
    const bool trainable = builder.node(group.head).trainable;
    targets.push_back(trainable ? builder.begin_parameter(parameter) : Target{nullptr, false});
    parts.push_back(builder.buffer(parameter->size()));
    parameters.push_back(parameter->data());
  }
  std::vector<BufferId> all = to;
  all.insert(all.end(), parts.begin(), parts.end());
  run_expression(builder, "expression gradient", program, from, parameters, all, behind);
  add_to_parameters(builder, parts, targets);
  for (std::size_t i = 0; i < count; ++i) {
    if (builder.wants_gradient(group.inputs[i])) {
      builder.finish_gradient(group.inputs[i], to[i]);
    }
  }
}

// Adds parts of the parameters' gradients to what others made of them.
template <class T>
void Expression<T>::add_to_parameters(PlanBuilder<T>& builder, const std::vector<BufferId>& parts,
                                      const std::vector<Target>& targets) const {
  std::vector<Index> sizes;
  for (const auto& parameter : node_.parameters) sizes.push_back(parameter->size());
  if (parts.empty()) return;
  builder.step("expression parameters", 100, parts,
               [=](const runtime::Team& team, const Context<T>& context) {
                 for (std::size_t i = 0; i < parts.size(); ++i) {
                   T* to = targets[i].gradient;
                   if (to == nullptr) continue;
                   const T* part = context.at(parts[i]);
                   const runtime::Range range = team.share(sizes[i], 256);
                   for (Index k = range.begin; k < range.end; ++k) {
                     to[k] = targets[i].accumulate ? to[k] + part[k] : part[k];
                   }
                 }
               });
}

}  // namespace

}  // namespace nn

template <class T>
NodeId Graph<T>::expression(const std::vector<NodeId>& inputs, SampleShape shape,
                            ExpressionNode<T> node, bool trainable) {
  return append(std::make_shared<nn::Expression<T>>(std::move(node), shape), inputs, trainable);
}
template NodeId Graph<float>::expression(const std::vector<NodeId>&, SampleShape,
                                         ExpressionNode<float>, bool);
template NodeId Graph<double>::expression(const std::vector<NodeId>&, SampleShape,
                                          ExpressionNode<double>, bool);

}  // namespace unitgain
