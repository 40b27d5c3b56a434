// The columns of the inputs side by side.
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Concatenate final : public Kind<Concatenate<T>, T> {
 public:
  static constexpr const char* kind_name = "concatenate";

  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    SampleShape all = {inputs[0].rows, 0};
    for (const SampleShape shape : inputs) {
      if (shape.rows != all.rows) {
        throw ValueError("the inputs of a concatenation have samples of " +
                         std::to_string(all.rows) + " and " + std::to_string(shape.rows) + " rows");
      }
      all.cols += shape.cols;
    }
    return all;
  }

  Role role() const override { return Role::concatenation; }
  bool takes_rows_apart() const override { return true; }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;
};

// body(source, its part of the concatenation's columns) for each input.
template <class T, class Body>
void for_each_part(PlanBuilder<T>& builder, const Group<T>& group, const View& all, Body&& body) {
  View part = all;
  for (const NodeId input : builder.node(group.head).inputs) {
    part.cols = builder.node(input).shape.cols;
    body(builder.value_of(input), part);
    part.offset += part.cols;
  }
}

template <class T>
void Concatenate<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const View y = builder.matrix(group.result, builder.node(group.result).shape.cols);
  for_each_part(builder, group, y, [&](NodeId source, const View& part) {
    const View x = builder.matrix(source, part.cols);
    const bool there = x.buffer == part.buffer && x.offset == part.offset;
    if (!there) copy_matrix(builder, "concatenate", x, part);
  });
}

// Each input's gradient is a part of the concatenation's, where it lies.
template <class T>
void Concatenate<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const View dy = builder.gradient_matrix(group.result, builder.node(group.result).shape.cols);
  const bool owned = builder.owns_gradient(group.result);
  for_each_part(builder, group, dy, [&](NodeId source, const View& part) {
    if (builder.wants_gradient(source)) builder.add_gradient(source, part, owned);
  });
}

}  // namespace

UNITGAIN_NODE_KIND(concatenate, Concatenate);

}  // namespace nn

template <class T>
NodeId Graph<T>::concatenate(const std::vector<NodeId>& inputs) {
  return append(std::make_shared<nn::Concatenate<T>>(), inputs);
}
template NodeId Graph<float>::concatenate(const std::vector<NodeId>&);
template NodeId Graph<double>::concatenate(const std::vector<NodeId>&);

}  // namespace unitgain
